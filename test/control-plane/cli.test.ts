import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { expect, it } from 'vitest'
import { createSandboxUpCommand } from '../../src/cli/sandbox-up.ts'

interface Up {
  event: string
  engine?: string
  kubernetes?: string
  kubeconfig?: string
}

it('stays up on a real control plane until it is interrupted, and leaves nothing behind', async () => {
  const stop = new AbortController()
  const told: Up[] = []
  const write = (line: string): void => {
    told.push(JSON.parse(line) as Up)
    if (told.at(-1)?.event === 'up') stop.abort()
  }
  const place = { root: '.', program: 'kmm', environment: process.env, home: homedir() }
  const command = createSandboxUpCommand({ ...place, write, createStopSignal: () => stop.signal })
  await command.parseAsync(['--engine', 'kubernetes', '--nodes', '1', '--json'], { from: 'user' })
  const up = told.find(({ event }) => event === 'up')
  expect(up).toMatchObject({ engine: 'kubernetes', kubernetes: expect.stringMatching(/^v1\.\d+\.\d+$/) })
  expect(existsSync(up?.kubeconfig ?? '')).toBe(false)
  expect(told.at(-1)).toEqual({ event: 'down' })
})
