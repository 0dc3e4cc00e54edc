import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApiServer, type ApiServer } from './api-server.ts'
import { pod, widget, widgetDefinition } from './test-client.ts'

const hasKubectl = spawnSync('kubectl', ['version', '--client'], { stdio: 'ignore' }).status === 0

// Without kubectl on the PATH these are shown as skipped; the tests over HTTP cover the same paths.
describe.skipIf(!hasKubectl)('kubectl', () => {
  let server: ApiServer
  let folder: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kmm-kubectl-'))
    server = await startApiServer({ logSource: () => 'a line\n' })
    writeFileSync(join(folder, 'config'), server.kubeconfig)
    await kubectl('create', 'namespace', 'default')
  })
  afterAll(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Runs kubectl; answers what it printed, or throws what it complained about. */
  function kubectl(...args: string[]): Promise<string> {
    const env = { PATH: process.env['PATH'], HOME: folder, KUBECONFIG: join(folder, 'config') }
    return new Promise((resolve, reject) => {
      execFile('kubectl', args, { env }, (error, stdout, stderr) => {
        if (error) reject(new Error(stderr))
        else resolve(stdout)
      })
    })
  }

  function file(name: string, object: unknown): string {
    const path = join(folder, name)
    writeFileSync(path, JSON.stringify(object))
    return path
  }

  it('applies, shows, explains, waits for and deletes custom resources', async () => {
    const openAPIV3Schema = {
      type: 'object',
      properties: { spec: { type: 'object', properties: { size: { type: 'integer', description: 'How big.' } } } },
    }
    await kubectl('apply', '-f', file('definition.json', widgetDefinition({ schema: { openAPIV3Schema } })))
    await kubectl('wait', '--for=condition=Established', 'crd/widgets.example.com')
    expect(await kubectl('apply', '-f', file('w.json', widget('a')))).toBe('widget.example.com/a created\n')
    expect(await kubectl('apply', '-f', file('w.json', widget('a')))).toBe('widget.example.com/a unchanged\n')
    const larger = file('w.json', widget('a', { spec: { size: 2 } }))
    expect(await kubectl('apply', '-f', larger)).toBe('widget.example.com/a configured\n')
    expect(await kubectl('get', 'wd')).toMatch(/^NAME +SIZE\na +2\n$/)
    expect(await kubectl('get', 'wd', 'a', '-o', 'jsonpath={.spec.size}')).toBe('2')
    expect(await kubectl('explain', 'widget.spec')).toContain('How big.')
    expect(await kubectl('describe', 'wd', 'a')).toMatch(/Size: +2/)
    expect(await kubectl('api-resources', '--api-group=example.com')).toMatch(
      /widgets +wd +example\.com\/v1 +true +Widget/,
    )
    expect(await kubectl('delete', 'wd', 'a')).toBe('widget.example.com "a" deleted\n')
    await expect(kubectl('get', 'wd', 'a')).rejects.toThrow('widgets.example.com "a" not found')
  })

  it('does the everyday work on pods', async () => {
    await kubectl('apply', '-f', file('pod.json', pod('p')))
    await kubectl('label', 'pod', 'p', 'a=b')
    await kubectl('annotate', 'pod', 'p', 'c=d')
    expect(await kubectl('get', 'pods', '-l', 'a=b', '-o', 'wide')).toMatch(
      /^NAME +READY +STATUS .*NODE .*\np +0\/1 +Pending/,
    )
    await kubectl('patch', 'pod', 'p', '-p', '{"spec":{"containers":[{"name":"main","image":"other"}]}}')
    expect(await kubectl('get', 'pod', 'p', '-o', 'yaml')).toMatch(/image: other\n/)
    expect(await kubectl('logs', 'p')).toBe('a line\n')
    expect(await kubectl('describe', 'pod', 'p')).toMatch(/Status: +Pending/)
    await kubectl('delete', 'pod', 'p')
    expect(await kubectl('get', 'pods', '-o', 'name')).toBe('')
  })

  it('creates what it sends as protobuf', async () => {
    await kubectl('create', 'secret', 'generic', 's', '--from-literal=a=b')
    await kubectl('create', 'configmap', 'c', '--from-literal=a=b')
    await kubectl('create', 'serviceaccount', 'sa')
    await kubectl('create', 'role', 'r', '--verb=get', '--resource=pods')
    await kubectl('create', 'rolebinding', 'rb', '--role=r', '--serviceaccount=default:sa')
    expect(await kubectl('get', 'secret', 's', '-o', 'jsonpath={.data.a}')).toBe('Yg==')
    expect(await kubectl('get', 'configmap', 'c', '-o', 'jsonpath={.data.a}')).toBe('b')
    expect(await kubectl('get', 'role', 'r', '-o', 'jsonpath={.rules[0].verbs[0]} {.rules[0].resources[0]}')).toBe(
      'get pods',
    )
    expect(await kubectl('get', 'rolebinding', 'rb', '-o', 'wide')).toMatch(/rb +Role\/r .*default\/sa/)
    expect(await kubectl('auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}')).toBe('kubernetes-admin')
    expect(await kubectl('auth', 'can-i', 'create', 'pods')).toBe('yes\n')
  })

  it('cordons and taints nodes', async () => {
    await kubectl('apply', '-f', file('node.json', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } }))
    await kubectl('cordon', 'n')
    await kubectl('taint', 'node', 'n', 'k=v:NoSchedule')
    expect(await kubectl('get', 'node', 'n')).toMatch(/n +Unknown,SchedulingDisabled/)
    expect(await kubectl('describe', 'node', 'n')).toMatch(/Taints: +k=v:NoSchedule/)
    expect(await kubectl('uncordon', 'n')).toBe('node/n uncordoned\n')
  })
})
