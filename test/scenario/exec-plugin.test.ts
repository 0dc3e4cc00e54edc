import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import { createSandboxGetCommand } from '../../src/cli/sandbox-get.ts'
import { createPluginRunner } from '../../src/kube/plugin-process.ts'
import { Cluster } from './cluster.ts'

interface Kubeconfig {
  clusters: unknown[]
  contexts: unknown[]
  'current-context': string
  users: { name: string; user: Record<string, string> }[]
}

let cluster: Cluster
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-exec-'))
  cluster = await Cluster.start()
})
afterAll(async () => {
  await cluster.stop()
  rmSync(folder, { recursive: true })
})

const decode = (data: string | undefined): string | undefined =>
  data === undefined ? undefined : Buffer.from(data, 'base64').toString('utf8')

/** The administrator's kubeconfig, in two files, with its credentials behind a plugin. */
function hideCredentials(): string {
  const { users, ...rest } = parse(cluster.sandbox.kubeconfig) as Kubeconfig
  const [{ name, user } = { name: '', user: {} as Record<string, string> }] = users
  const answer = {
    token: user['token'],
    clientCertificateData: decode(user['client-certificate-data']),
    clientKeyData: decode(user['client-key-data']),
  }
  writeFileSync(join(folder, 'plan'), JSON.stringify({ answer }))
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1',
    interactiveMode: 'IfAvailable',
    provideClusterInfo: true,
    command: process.execPath,
    args: [resolve('src/kube/testdata/plugin.mjs'), folder],
  }
  writeFileSync(join(folder, 'clusters'), JSON.stringify(rest))
  writeFileSync(join(folder, 'users'), JSON.stringify({ users: [{ name, user: { exec } }] }))
  return [join(folder, 'clusters'), join(folder, 'users')].join(':')
}

it('reaches the API server with what a credential plugin gives, by a kubeconfig of several files', async () => {
  const environment = { KUBECONFIG: hideCredentials() }
  const lines: string[] = []
  const runPlugin = createPluginRunner({ environment: {}, hasTerminal: false, writeError: () => undefined })
  const options = { write: (line: string) => void lines.push(line), environment, temporaryFolder: folder, runPlugin }
  await createSandboxGetCommand(options).parseAsync(['nodes'], { from: 'user' })
  expect(lines.join('\n')).toMatch(/^n1 +Ready/m)
  const runs = readFileSync(join(folder, 'runs'), 'utf8').trim().split('\n')
  expect(runs).toHaveLength(1)
  expect(JSON.parse(runs[0] ?? '')).toMatchObject({ info: { spec: { cluster: { server: cluster.sandbox.url } } } })
})
