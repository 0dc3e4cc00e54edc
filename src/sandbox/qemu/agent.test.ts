import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AgentClient, type GuestProcess } from './agent-client.ts'
import { encodeFrame, type Frame, FrameReader } from './frames.ts'
import { GuestAgent } from './guest/agent.ts'
import type { GuestEnd } from './requests.ts'

/** Joins a client with an agent in this process, where a virtio-serial port would be. */
function connectAgent(): { client: AgentClient; channel: Duplex } {
  const reader = new FrameReader()
  let arrived: (frame: Frame) => void = () => undefined
  const waiting: Frame[] = []
  const channel = new Duplex({
    read: () => undefined,
    write: (bytes: Buffer, _, done) => {
      for (const frame of reader.push(bytes)) {
        waiting.push({ ...frame, payload: Buffer.from(frame.payload) })
        arrived(frame)
      }
      done()
    },
  })
  const receive = async function* (): AsyncGenerator<Frame> {
    for (;;) {
      yield* waiting.splice(0)
      if (waiting.length === 0) await new Promise<Frame>((resolve) => (arrived = resolve))
    }
  }
  const send = (frame: Frame): Promise<void> => {
    channel.push(encodeFrame(frame))
    return Promise.resolve()
  }
  void new GuestAgent({ send, receive }).serve()
  return { client: new AgentClient('m', channel), channel }
}

let client: AgentClient
let channel: Duplex
let folder: string
beforeEach(() => {
  ;({ client, channel } = connectAgent())
  folder = mkdtempSync(join(tmpdir(), 'kmm-agent-'))
})
afterEach(() => {
  channel.destroy()
  rmSync(folder, { recursive: true })
})

const start = (...argv: string[]): GuestProcess => client.open<GuestEnd>({ op: 'run', argv })

async function collect(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString('latin1')
}

it('runs programs at the same time, each with its own input, output and status', async () => {
  const first = start('sh', '-c', 'cat; echo problem >&2; exit 3')
  const second = start('sh', '-c', 'echo second')
  second.end()
  const output = collect(first.output)
  const errors = collect(first.errorOutput)
  expect(await collect(second.output)).toBe('second\n')
  expect(await second.answer).toEqual({ exitCode: 0 })
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 256))
  first.write(bytes)
  first.end()
  expect(await first.answer).toEqual({ exitCode: 3 })
  expect(Buffer.from(await output, 'latin1').equals(bytes)).toBe(true)
  expect(await errors).toBe('problem\n')
})

it('kills a program with all that it has started', async () => {
  const running = start('sh', '-c', 'sleep 100 & echo up; wait')
  await new Promise((resolve) => running.output.once('data', resolve))
  running.signal('SIGKILL')
  expect(await running.answer).toMatchObject({ signal: 'SIGKILL' })
})

it('says why a program cannot be started, and why a file cannot be read', async () => {
  await expect(start('/nowhere/program').answer).rejects.toMatchObject({ errno: 'ENOENT', code: 'NotFound' })
  await expect(client.ask({ op: 'read', path: join(folder, 'none') })).rejects.toMatchObject({ errno: 'ENOENT' })
})

it('writes files whole with their mode, tells what a path is, and removes it', async () => {
  const path = join(folder, 'a/b')
  const written = client.open({ op: 'write', path, mode: 0o600 })
  written.write(Buffer.from('text'))
  written.end()
  await written.answer
  const read = client.open({ op: 'read', path })
  expect(await collect(read.output)).toBe('text')
  expect(await client.ask({ op: 'stat', path })).toBe('file')
  expect(await client.ask({ op: 'list', path: join(folder, 'a') })).toEqual(['b'])
  await client.ask({ op: 'remove', path: join(folder, 'a') })
  await expect(client.ask({ op: 'stat', path })).rejects.toMatchObject({ code: 'NotFound' })
})

it('fails what is under way, and what comes later, when the machine goes away', async () => {
  const running = start('sleep', '100')
  channel.destroy()
  await expect(running.answer).rejects.toThrow('the channel to the guest is closed')
  await expect(client.ask({ op: 'hello' })).rejects.toThrow('the channel to the guest is closed')
})
