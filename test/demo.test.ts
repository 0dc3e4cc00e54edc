import { spawn } from 'node:child_process'
import { expect, it } from 'vitest'

interface Line {
  event: string
  node?: string
  phase?: string
  ok?: boolean
  modules?: string[]
}

function playDemo(): Promise<{ status: number | null; lines: Line[] }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['dist/kmm.js', 'sandbox', 'demo', '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
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
