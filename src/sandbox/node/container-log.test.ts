import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { keepLog, readContainerLog } from './container-log.ts'

let folder = ''
let file = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-log-'))
  file = join(folder, 'x.log')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const whole = { follow: false, timestamps: false }
const ended = (): boolean => false

it('gives a log whole, its tail, its first bytes, and with the time of each line', async () => {
  await keepLog(file, [Readable.from(['one\ntwo\n', 'thr', 'ee'])])
  expect(await readContainerLog(file, whole, ended)).toBe('one\ntwo\nthree\n')
  expect(await readContainerLog(file, { ...whole, tailLines: 1 }, ended)).toBe('three\n')
  expect(await readContainerLog(file, { ...whole, limitBytes: 5 }, ended)).toBe('one\nt')
  expect(await readContainerLog(file, { ...whole, sinceSeconds: 3600 }, ended)).toBe('one\ntwo\nthree\n')
  expect(await readContainerLog(file, { ...whole, timestamps: true, tailLines: 1 }, ended)).toMatch(
    /^\d{4}-\d\d-\d\dT\S+Z three\n$/,
  )
})

it('answers that there is no log', async () => {
  expect(await readContainerLog(file, whole, ended)).toBeUndefined()
})

it('follows a log while its container runs, and ends with it', async () => {
  const output = new PassThrough()
  const kept = keepLog(file, [output])
  output.write('one\n')
  let running = true
  let stream: unknown
  while (stream === undefined) stream = await readContainerLog(file, { ...whole, follow: true }, () => running)
  const seen: string[] = []
  for await (const text of stream as Readable) {
    seen.push(String(text))
    if (seen.length === 1) {
      output.end('two\n')
      await kept
      running = false
    }
  }
  expect(seen.join('')).toBe('one\ntwo\n')
})
