import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { demoVersions, exampleModules, WorkerNode } from '../../test/worker-node.ts'
import type { PushedImage } from '../sandbox/registry/types.ts'
import { type SandboxRegistry, startRegistry } from '../sandbox/registry/registry.ts'
import { findPullPolicy, findRegistryTls } from './pull.ts'

let registry: SandboxRegistry
let node: WorkerNode
beforeEach(async () => {
  registry = await startRegistry()
  node = new WorkerNode()
})
afterEach(async () => {
  await registry.stop()
  node.remove()
})

const push = (version: 'prebuilt' | 'prebuilt-v2' = 'prebuilt', tag: string | undefined = '1'): Promise<PushedImage> =>
  registry.push({
    repository: 'demo',
    ...(tag === undefined ? {} : { tag }),
    layers: [{ entries: exampleModules(version) }],
  })

const countRequests = (kind: string): number => registry.requests.filter((request) => request.kind === kind).length

describe('the pull policy', () => {
  it.each([
    ['', 'r.example/a', 'Always'],
    ['', 'r.example/a:latest', 'Always'],
    ['', 'r.example/a:1', 'IfNotPresent'],
    ['', `r.example/a@sha256:${'0'.repeat(64)}`, 'IfNotPresent'],
    ['', `r.example/a:latest@sha256:${'0'.repeat(64)}`, 'IfNotPresent'],
    ['Never', 'r.example/a', 'Never'],
    ['IfNotPresent', 'r.example/a:latest', 'IfNotPresent'],
    ['Always', 'r.example/a:1', 'Always'],
  ])('%j of %s means %s', (imagePullPolicy, containerImage, policy) => {
    expect(findPullPolicy({ imagePullPolicy, containerImage })).toBe(policy)
  })

  it('refuses what Kubernetes does not know', () => {
    expect(() => findPullPolicy({ imagePullPolicy: 'Sometimes', containerImage: 'a' })).toThrow(
      /"Sometimes" is not known/,
    )
  })
})

describe('the registry’s TLS', () => {
  it('is two values, and both for an older configuration that has only one', () => {
    expect(findRegistryTls({ insecurePull: true })).toEqual({ insecure: true, insecureSkipTLSVerify: true })
    expect(findRegistryTls({ insecurePull: false })).toEqual({ insecure: false, insecureSkipTLSVerify: false })
    const registryTLS = { insecureSkipTLSVerify: true }
    expect(findRegistryTls({ insecurePull: true, registryTLS })).toEqual({
      insecure: false,
      insecureSkipTLSVerify: true,
    })
  })
})

describe('IfNotPresent', () => {
  it('needs no registry after a reboot', async () => {
    node.configure({ containerImage: (await push()).image })
    expect((await node.run('load')).reason).toBe('Loaded')
    node.reboot()
    await registry.stop()
    expect(await node.run('load')).toMatchObject({ status: 0, reason: 'Loaded', alreadyLoaded: false })
  })

  it('keeps what it has when the tag has moved', async () => {
    node.configure({ containerImage: (await push()).image })
    await node.run('load')
    await push('prebuilt-v2')
    node.reboot()
    expect((await node.run('load')).modules[0]?.srcversion).toBe(demoVersions.first)
  })

  it('fetches a damaged layer again, and loads', async () => {
    node.configure({ containerImage: (await push()).image })
    await node.run('load')
    const [blob] = readdirSync(node.path('var/lib/kmm/cache/blobs'))
    const path = node.path(`var/lib/kmm/cache/blobs/${blob}`)
    const bytes = readFileSync(path)
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1
    writeFileSync(path, bytes)
    node.reboot()
    expect(await node.run('load')).toMatchObject({ status: 0, reason: 'Loaded' })
    expect(countRequests('blob')).toBe(2)
    expect(node.logs.join('\n')).toMatch(/copy of a layer was damaged and is fetched again/)
  })

  it('does not use what another namespace has pulled', async () => {
    node.configure({ containerImage: (await push()).image })
    await node.run('load')
    node.reboot()
    node.write('etc/kmm-worker/namespace', 'team-b')
    registry.setAuth({ kind: 'basic', users: [] })
    expect(await node.run('load')).toMatchObject({ status: 1, reason: 'RegistryUnauthorized' })
  })
})

describe('Always', () => {
  it('asks the registry each time, and reads the layers that it has', async () => {
    node.configure({ containerImage: (await push()).image, imagePullPolicy: 'Always' })
    await node.run('load')
    node.reboot()
    await node.run('load')
    expect(countRequests('manifest')).toBe(2)
    expect(countRequests('blob')).toBe(1)
  })

  it('takes what the tag means now', async () => {
    node.configure({ containerImage: (await push()).image, imagePullPolicy: 'Always' })
    await node.run('load')
    await push('prebuilt-v2')
    node.reboot()
    expect((await node.run('load')).modules[0]?.srcversion).toBe(demoVersions.second)
  })

  it('fails when the registry is away', async () => {
    node.configure({ containerImage: (await push()).image, imagePullPolicy: 'Always' })
    await node.run('load')
    await registry.stop()
    expect(await node.run('load')).toMatchObject({ status: 1, reason: 'RegistryUnreachable' })
  })
})

describe('Never', () => {
  it('fails without a copy, and asks no registry', async () => {
    node.configure({ containerImage: (await push()).image, imagePullPolicy: 'Never' })
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 1, reason: 'ImageNotFound' })
    expect(report.message).toMatch(/pull policy is Never/)
    expect(registry.requests).toEqual([])
  })

  it('uses the copy, and does not repair it', async () => {
    const { image } = await push()
    node.configure({ containerImage: image })
    await node.run('load')
    node.reboot()
    node.configure({ containerImage: image, imagePullPolicy: 'Never' })
    expect((await node.run('load')).reason).toBe('Loaded')
    const [blob] = readdirSync(node.path('var/lib/kmm/cache/blobs'))
    writeFileSync(node.path(`var/lib/kmm/cache/blobs/${blob}`), 'damaged')
    node.reboot()
    const before = registry.requests.length
    expect(await node.run('load')).toMatchObject({ status: 1, reason: 'ImageNotFound' })
    expect(registry.requests).toHaveLength(before)
  })
})

describe('the digest that the operator has verified', () => {
  it('is what is pulled, also when the tag has moved', async () => {
    const { image, digest } = await push()
    await push('prebuilt-v2')
    for (const imagePullPolicy of ['Always', 'IfNotPresent']) {
      node.reboot()
      node.configure({ containerImage: image, imageDigest: digest, imagePullPolicy })
      expect((await node.run('load')).modules[0]?.srcversion).toBe(demoVersions.first)
    }
  })

  it('gives way to the tag when the registry has lost it, and the report says so', async () => {
    const { image, digest } = await push()
    await push('prebuilt-v2')
    registry.lose('demo', digest)
    node.configure({ containerImage: image, imageDigest: digest })
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 0, reason: 'Loaded', modules: [{ srcversion: demoVersions.second }] })
    expect(report.message).toContain(`no longer has the digest ${digest}`)
  })

  it('gives way to the node’s copy when the registry is away', async () => {
    const { image } = await push()
    node.configure({ containerImage: image })
    await node.run('load')
    const next = await push('prebuilt-v2')
    node.reboot()
    node.configure({ containerImage: image, imageDigest: next.digest })
    await registry.stop()
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 0, reason: 'Loaded', modules: [{ srcversion: demoVersions.first }] })
    expect(report.message).toContain(`in place of ${next.digest}`)
  })

  it('does not replace one that the image’s name has', async () => {
    const { digest, image } = await push()
    const next = await push('prebuilt-v2')
    node.configure({ containerImage: `${image}@${digest}`, imageDigest: next.digest })
    expect((await node.run('load')).modules[0]?.srcversion).toBe(demoVersions.first)
  })
})

describe('pull secrets', () => {
  const auth = (password: string): string => Buffer.from(`user:${password}`).toString('base64')
  beforeEach(() => registry.setAuth({ kind: 'basic', users: [{ username: 'user', password: 'right' }] }))

  it('open a registry, the first that fits', async () => {
    node.configure({ containerImage: (await push()).image })
    expect(await node.run('load')).toMatchObject({ status: 1, reason: 'RegistryUnauthorized' })
    node.write('etc/kmm-worker/pull-secrets/0/.dockerconfigjson', 'not JSON')
    const old = { [registry.address]: { auth: auth('right') } }
    node.write('etc/kmm-worker/pull-secrets/1/.dockercfg', JSON.stringify(old))
    expect(await node.run('load')).toMatchObject({ status: 0, reason: 'Loaded' })
    expect(node.logs.join('\n')).toMatch(/Pull secret 0: it is not used/)
    expect(node.logs.join('\n')).not.toContain(auth('right'))
  })

  it('that are wrong are the reason RegistryUnauthorized', async () => {
    node.configure({ containerImage: (await push()).image })
    const wrong = { auths: { [registry.address]: { auth: auth('wrong') } } }
    node.write('etc/kmm-worker/pull-secrets/0/.dockerconfigjson', JSON.stringify(wrong))
    expect(await node.run('load')).toMatchObject({ status: 1, reason: 'RegistryUnauthorized' })
  })
})

describe('without a cache', () => {
  it('everything works, with a message', async () => {
    node.write('etc/kmm-worker/namespace', '')
    node.configure({ containerImage: (await push()).image })
    expect(await node.run('load')).toMatchObject({ status: 0, reason: 'Loaded' })
    expect(node.logs.join('\n')).toMatch(/cache of layers at .* is not used/)
  })

  it('an image that does not exist is the reason ImageNotFound', async () => {
    node.configure({ containerImage: `${registry.address}/demo:none` })
    expect(await node.run('load')).toMatchObject({ status: 1, reason: 'ImageNotFound' })
  })
})
