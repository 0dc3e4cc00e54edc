import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { VirtualKernel } from './virtual-kernel.ts'

let nodeRoot = ''
beforeEach(() => {
  nodeRoot = mkdtempSync(join(tmpdir(), 'kmm-sysfs-'))
})
afterEach(() => rmSync(nodeRoot, { recursive: true, force: true }))

/** Reads a module's files again and again, and prints what no kernel would show. */
const reader = `
const { readdirSync, readFileSync } = require('node:fs')
const folder = process.argv[1]
console.log('ready')
for (let look = 0; look < 5_000; look += 1) {
  const text = readFileSync(folder + '/refcnt', 'utf8')
  if (text !== '0\\n' && text !== '1\\n') console.log('refcnt ' + JSON.stringify(text))
  const holders = readdirSync(folder + '/holders')
  if (holders.length > 1) console.log('holders ' + holders)
}
console.log('done')
`

it('shows whole files to those who read while they change', async () => {
  const kernel = new VirtualKernel({ nodeRoot, release: '6.1.0-56-amd64' })
  kernel.insertInTree('busy')
  const child = spawn(process.execPath, ['-e', reader, join(nodeRoot, 'sys/module/busy')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  child.stdout.on('data', (bytes: Buffer) => (printed += bytes.toString()))
  const closed = once(child, 'close')
  await once(child.stdout, 'data')
  for (let change = 0; child.exitCode === null; change += 1) {
    kernel.setInUse('busy', change % 2 === 0 ? 'user' : 0)
    await turn()
  }
  await closed
  expect(printed).toBe('ready\ndone\n')
})
