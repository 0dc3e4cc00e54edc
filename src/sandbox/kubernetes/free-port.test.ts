import { createServer } from 'node:net'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { findFreePort } from './free-port.ts'

it('answers a port that nobody listens on', async () => {
  const taken = await findFreePort()
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(taken, '127.0.0.1', resolve))
  try {
    const next = await findFreePort()
    const drawn = [taken, taken, next]
    expect(await findFreePort(() => drawn.shift() ?? 0)).toBe(next)
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
})

it.runIf(process.platform === 'linux')('answers a port that no connection is given meanwhile', async () => {
  const [first = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split('\t').map(Number)
  for (let count = 0; count < 100; count++) expect(await findFreePort()).toBeLessThan(first)
})

it('answers each port once, though nobody listens on it yet', async () => {
  const ports = new Set<number>()
  for (let count = 0; count < 300; count++) ports.add(await findFreePort())
  expect(ports.size).toBe(300)
})
