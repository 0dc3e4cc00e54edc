import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, it } from 'vitest'

interface Line {
  event: string
  node?: string
  phase?: string
  ok?: boolean
  modules?: string[]
  kubeconfig?: string
  message?: string
}

interface Play {
  flags?: string[]
  /** Two interrupts are sent as soon as this event is told, as a terminal and npm do together. */
  interruptAt?: string
}

function playDemo({ flags = [], interruptAt }: Play = {}): Promise<{ status: number | null; lines: Line[] }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['dist/kmm.js', 'sandbox', 'demo', '--json', ...flags], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    let interrupted = false
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (interrupted || interruptAt === undefined || !text.includes(`"event":"${interruptAt}"`)) return
      interrupted = true
      child.kill('SIGINT')
      child.kill('SIGTERM')
    })
    child.on('error', reject)
    child.on('close', (status) => {
      resolve({
        status,
        lines: text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Line),
      })
    })
  })
}

it('tells the whole story on three nodes, as one JSON object a line, and ends well', async () => {
  const { status, lines } = await playDemo()
  expect(lines.at(-1)).toMatchObject({ ok: true, event: 'done' })
  expect(status).toBe(0)
  for (const node of ['node-1', 'node-2', 'node-3']) {
    const phases = lines.filter((line) => line.node === node && line.event === 'node').map(({ phase }) => phase)
    expect(phases, node).toEqual(
      expect.arrayContaining(['pending', 'loaded', 'device plugin ready', 'unloading', 'untouched']),
    )
    expect(lines.find((line) => line.node === node && line.event === 'unloaded')?.modules, node).toEqual([])
  }
}, 60_000)

it('stays up until it is interrupted, and then takes everything down', async () => {
  const { status, lines } = await playDemo({ flags: ['--keep'], interruptAt: 'staying' })
  expect(lines.at(-1)).toMatchObject({ ok: true, event: 'done' })
  expect(status).toBe(0)
  const { kubeconfig = '' } = lines.find(({ event }) => event === 'staying') ?? {}
  expect(kubeconfig).toMatch(/kubeconfig$/)
  expect(existsSync(dirname(kubeconfig))).toBe(false)
}, 60_000)

it('ends soon, and says so, when it is interrupted in the middle', async () => {
  const { status, lines } = await playDemo({ interruptAt: 'imagePushed' })
  expect(lines.at(-1)).toMatchObject({ ok: false, event: 'failed', message: 'it was interrupted' })
  expect(status).toBe(1)
  expect(lines.some(({ event }) => event === 'unloaded' || event === 'watchFailed')).toBe(false)
}, 30_000)
