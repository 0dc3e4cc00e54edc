import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KmmError } from '../../errors/error.ts'
import { pods, secrets } from '../../kube/core-resources.ts'
import { type EmbeddedSandbox, startSandbox } from '../sandbox.ts'
import { ImagePullFailure } from './node-images.ts'

let sandbox: EmbeddedSandbox
const reader = { username: 'reader', password: 'right' }

beforeAll(async () => {
  const auth = { kind: 'token' as const, users: [reader], anonymousPull: ['open/'] }
  sandbox = await startSandbox({ nodes: [{ name: 'n1', kernel: '6.1.0' }], registry: { auth } })
})
afterAll(() => sandbox.stop())

const push = (repository: string, content = 'hello') => {
  const link = { name: 'etc/link', type: 'symlink' as const, linkname: '/etc/motd', content: '' }
  return sandbox.registry.push({ repository, tag: '1', layers: [{ entries: [{ name: 'etc/motd', content }, link] }] })
}

const podOf = (imagePullSecrets: { name: string }[] = []): Pod => ({
  metadata: { namespace: 'default', name: 'p' },
  spec: { containers: [], imagePullSecrets },
})

async function pull(reference: string, pullPolicy = 'IfNotPresent', pod = podOf()): Promise<string> {
  const [node] = sandbox.nodes
  if (node === undefined) throw new Error('no node')
  const signal = new AbortController().signal
  return node.images.require({ reference, pullPolicy, pod, client: sandbox.client, signal })
}

async function refuse(...args: Parameters<typeof pull>): Promise<string> {
  const error: unknown = await pull(...args).catch((reason: unknown) => reason)
  if (!(error instanceof ImagePullFailure)) throw error
  return `${error.reason}: ${error.message}`
}

describe('the images of a node', () => {
  it('are pulled whole, once, and kept while the registry is away', async () => {
    const { image } = await push('open/one')
    const folder = await pull(image)
    expect(readFileSync(join(folder, 'etc/link'), 'utf8')).toBe('hello')
    const lift = sandbox.registry.fail({ repository: 'open/one', action: { do: 'reset' } })
    expect(await pull(image)).toBe(folder)
    expect(await pull(image, 'Never')).toBe(folder)
    expect(await refuse(image, 'Always')).toMatch(/^ErrImagePull: .*dial tcp/)
    lift()
  })

  it('follow their tag only when they are always pulled', async () => {
    const { image } = await push('open/moving')
    const before = await pull(image)
    await push('open/moving', 'bye')
    expect(await pull(image)).toBe(before)
    expect(readFileSync(join(await pull(image, 'Always'), 'etc/motd'), 'utf8')).toBe('bye')
  })

  it('are found by digest, too, and gone when they were collected', async () => {
    const { image, digest } = await push('open/digest')
    const folder = await pull(image)
    expect(await pull(`${image.replace(/:1$/, '')}@${digest}`, 'Never')).toBe(folder)
    await sandbox.nodes[0]?.images.collect()
    expect(existsSync(folder)).toBe(false)
    expect(await refuse(image, 'Never')).toMatch(/^ErrImageNeverPull: .*not present with pull policy of Never/)
  })

  it('are told of in the words of kubelet and container runtime', async () => {
    const { image } = await push('private/one')
    expect(await refuse(image)).toMatch(/^ErrImagePull: .*pull access denied/)
    expect(await refuse(image.replace('private', 'open').replace('one', 'none'))).toMatch(
      /^ErrImagePull: .*: not found$/,
    )
    expect(await refuse('No Image')).toMatch(/^InvalidImageName: .*invalid reference format$/)
  })

  it('are pulled with the secrets of the pod', async () => {
    const { image } = await push('private/two')
    const config = JSON.stringify({ auths: { [sandbox.registry.address]: reader } })
    const data = { '.dockerconfigjson': Buffer.from(config).toString('base64') }
    const metadata = { namespace: 'default', name: 'pull' }
    await sandbox.client.create(secrets, { metadata, type: 'kubernetes.io/dockerconfigjson', data })
    const pod = podOf([{ name: 'none' }, { name: 'pull' }])
    expect(existsSync(await pull(image, 'IfNotPresent', pod))).toBe(true)
  })
})

describe('a pod with an image volume', () => {
  const build = (name: string, volume: object): Pod => ({
    metadata: { namespace: 'default', name },
    spec: {
      nodeName: 'n1',
      containers: [{ name: 'c', image: sandbox.workerImage, volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
      volumes: [{ name: 'v', ...volume }],
    },
  })
  const create = (name: string, volume: object): Promise<Pod> => sandbox.client.create(pods, build(name, volume))

  it.each([
    ['reference', { image: { pullPolicy: 'Always' } }, /spec\.volumes\[0\]\.image\.reference: Required value/],
    [
      'pull policy',
      { image: { reference: 'x', pullPolicy: 'Maybe' } },
      /image\.pullPolicy: Unsupported value: "Maybe"/,
    ],
    ['one source', { emptyDir: {}, image: { reference: 'x' } }, /may not specify more than 1 volume type/],
  ])('needs a proper %s', async (_what, volume, message) => {
    const error: unknown = await create('bad', volume).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(KmmError)
    expect((error as KmmError).message).toMatch(message)
  })

  it('can be deleted while the registry says nothing, also one that waits for another’s pull', async () => {
    const { image } = await push('open/silent', 'nothing else has it')
    const lift = sandbox.registry.fail({ repository: 'open/silent', kind: 'blob', action: { do: 'hang' } })
    const asked = sandbox.registry.waitForRequest(
      ({ repository, kind }) => repository === 'open/silent' && kind === 'blob',
    )
    const names = ['pulling', 'behind']
    for (const name of names) await create(name, { image: { reference: image } })
    await asked
    for (const name of names) {
      const key = { namespace: 'default', name }
      await sandbox.client.delete(pods, key)
      const find = (): Promise<unknown> => sandbox.client.get(pods, key).catch(() => undefined)
      await expect.poll(find, { timeout: 20_000 }).toBeUndefined()
    }
    lift()
  })

  it('waits with why the image cannot be had, first as it happens, then as it waits', async () => {
    const image = `${sandbox.registry.address}/open/nothing:1`
    const reasons: string[] = []
    const created = await create('waiting', { image: { reference: image } })
    expect(created.spec?.volumes).toContainEqual({ name: 'v', image: { reference: image, pullPolicy: 'IfNotPresent' } })
    const stop = new AbortController()
    const { resourceVersion = '' } = created.metadata ?? {}
    for await (const event of sandbox.client.watch(pods, { resourceVersion, signal: stop.signal })) {
      if (event.type !== 'MODIFIED' || event.object.metadata?.name !== 'waiting') continue
      const waiting = event.object.status?.containerStatuses?.[0]?.state?.waiting
      if (waiting?.reason && waiting.reason !== reasons.at(-1)) reasons.push(waiting.reason)
      if (waiting?.reason !== 'ImagePullBackOff') continue
      expect(waiting.message).toMatch(/^Back-off pulling image ".*": ErrImagePull: .*not found$/)
      break
    }
    expect(reasons).toEqual(['ContainerCreating', 'ErrImagePull', 'ImagePullBackOff'])
  })
})
