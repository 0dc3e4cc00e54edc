import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fillCaches } from '../../../../test/builders/caches.ts'
import { jobSettings, jobSpec } from '../../../../test/builders/job.ts'
import { buildNode } from '../../../../test/builders/node.ts'
import type { Module } from '../../../api/module.ts'
import type { ModuleImagesConfig } from '../../../api/module-images-config.ts'
import { moduleImagesConfigs } from '../../../api/resources.ts'
import { namespaces, pods, serviceAccounts } from '../../../kube/core-resources.ts'
import { defineResource } from '../../../kube/resource.ts'
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts'
import type { NewJob } from '../action.ts'
import { createJob, type JobTools } from './create-job.ts'
import { deleteJob } from './delete-job.ts'
import { jobOfPod } from './job-of-pod.ts'
import type { Job } from './job.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(() => sandbox.stop())

const { signal } = new AbortController()
const nowMs = 1_000_000
const context = { signal, nowMs }

/** A namespace with a ModuleImagesConfig in it. */
async function makeConfig(namespace: string, labels: Record<string, string> = {}): Promise<ModuleImagesConfig> {
  await sandbox.client.create(namespaces, { metadata: { name: namespace, labels } })
  const account = { metadata: { namespace, name: 'loader' }, imagePullSecrets: [{ name: 'of-account' }] }
  await sandbox.client.create(serviceAccounts, account)
  const resource = defineResource<ModuleImagesConfig>(moduleImagesConfigs)
  return sandbox.client.create(resource, {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'ModuleImagesConfig',
    metadata: { namespace, name: 'mod' },
    spec: { images: [jobSpec], imageRepoSecret: { name: 'own' }, pushBuiltImage: true },
  })
}

const build: NewJob = {
  type: 'BuildImage',
  hash: 'a'.repeat(64),
  attempt: 1,
  target: jobSpec.image,
  dockerfile: 'FROM scratch',
  source: undefined,
}

const makeTools = (modules: readonly Module[] = []): JobTools => ({
  client: sandbox.client,
  caches: fillCaches({
    modules,
    nodes: [buildNode({ kernelVersion: `${jobSpec.kernelVersion}+`, architecture: 'arm64' })],
  }),
  jobSettings,
  refusals: new Map(),
})

const create = (config: ModuleImagesConfig, tools: JobTools, job: Partial<NewJob> = {}): Promise<void> =>
  createJob({ type: 'createJob', config, image: jobSpec, job: { ...build, ...job } }, tools, context)

const listPods = async (namespace: string): Promise<Pod[]> => (await sandbox.client.list(pods, { namespace })).items

const jobsIn = (tools: JobTools): Job[] => tools.caches.pods.list().flatMap((pod) => jobOfPod(pod, undefined) ?? [])

describe('a job that is created', () => {
  it('is in the cache at once, with the credentials of Module and service account', async () => {
    const config = await makeConfig('made')
    const moduleLoader = { serviceAccountName: 'loader', container: { kernelMappings: [], modprobe: {} } }
    const tools = makeTools([{ metadata: { namespace: 'made', name: 'mod' }, spec: { selector: {}, moduleLoader } }])
    await create(config, tools)
    const [pod] = await listPods('made')
    expect(jobsIn(tools)).toMatchObject([
      { type: 'BuildImage', image: jobSpec.image, attempt: 1, uid: pod?.metadata?.uid },
    ])
    expect(pod?.metadata?.ownerReferences?.[0]).toMatchObject({ kind: 'ModuleImagesConfig', uid: config.metadata.uid })
    expect(pod?.spec?.imagePullSecrets).toEqual([{ name: 'own' }, { name: 'of-account' }])
    expect(pod?.spec?.nodeSelector).toMatchObject({ 'kubernetes.io/arch': 'arm64' })
  })

  it('twice is one pod', async () => {
    const config = await makeConfig('twice')
    const tools = makeTools()
    await create(config, makeTools())
    await create(config, tools)
    expect(await listPods('twice')).toHaveLength(1)
    expect(jobsIn(tools)).toHaveLength(1)
  })

  it('once more is another pod', async () => {
    const config = await makeConfig('again')
    const tools = makeTools()
    await create(config, tools)
    await create(config, tools, { attempt: 2 })
    expect(new Set(jobsIn(tools).map(({ attempt }) => attempt))).toEqual(new Set([1, 2]))
  })

  it('waits for its namesake to be gone', async () => {
    const config = await makeConfig('leaving')
    await create(config, makeTools())
    const [pod] = await listPods('leaving')
    const key = { namespace: 'leaving', name: pod?.metadata?.name ?? '' }
    const body = { metadata: { finalizers: ['example.com/hold'] } }
    await sandbox.client.patch(pods, key, { type: 'merge', body })
    await sandbox.client.delete(pods, key)
    const tools = makeTools()
    await expect(create(config, tools)).rejects.toMatchObject({ code: 'Conflict' })
    expect(tools.refusals.size).toBe(0)
  })

  it('reaches the unsigned image as the Module says, or its own as the image itself', async () => {
    const config = await makeConfig('sources')
    const tools = makeTools()
    const image = {
      ...jobSpec,
      registryTLS: { insecure: true },
      sign: { ...jobSpec.sign, unsignedImageRegistryTLS: { insecureSkipTLSVerify: true } } as typeof jobSpec.sign &
        object,
    }
    const digest = `sha256:${'b'.repeat(64)}`
    const source = { reference: `registry.test/raw@${digest}`, digest, isOwn: false }
    for (const [attempt, isOwn] of [false, true].entries()) {
      const job: NewJob = { ...build, type: 'SignImage', attempt: attempt + 1, source: { ...source, isOwn } }
      await createJob({ type: 'createJob', config, image, job }, tools, context)
    }
    const flags = (await listPods('sources'))
      .toSorted((a, b) =>
        (a.metadata?.annotations?.['kmm.node.kubernetes.io/job-attempt'] ?? '') <
        (b.metadata?.annotations?.['kmm.node.kubernetes.io/job-attempt'] ?? '')
          ? -1
          : 1,
      )
      .map((pod) => pod.spec?.containers[0]?.args?.filter((arg) => arg.startsWith('--from-')))
    expect(flags).toEqual([['--from-skip-tls-verify'], ['--from-insecure']])
  })
})

describe('a job that cannot be created', () => {
  it('is remembered with what to do about the Pod Security level', async () => {
    const config = await makeConfig('strict', { 'pod-security.kubernetes.io/enforce': 'baseline' })
    const tools = makeTools()
    await expect(create(config, tools)).rejects.toMatchObject({ code: 'Forbidden' })
    expect(tools.refusals.get(jobSpec.image)).toMatchObject({
      reason: 'JobPodRefused',
      message: expect.stringMatching(/kubectl label --overwrite ns "strict" .*enforce=privileged$/),
      hash: build.hash,
      attempts: 1,
      untilMs: nowMs + 5_000,
    })
    await expect(create(config, tools)).rejects.toThrow('was refused')
    expect(tools.refusals.get(jobSpec.image)).toMatchObject({ attempts: 2, untilMs: nowMs + 10_000 })
    await expect(create(config, tools, { hash: 'b'.repeat(64) })).rejects.toThrow('was refused')
    expect(tools.refusals.get(jobSpec.image)).toMatchObject({ attempts: 1, untilMs: nowMs + 5_000 })
  })

  it('is forgotten once it is accepted', async () => {
    const config = await makeConfig('mended')
    const tools = makeTools()
    tools.refusals.set(jobSpec.image, { reason: 'JobPodRefused', message: '', hash: '', attempts: 3, untilMs: 0 })
    await create(config, tools)
    expect(tools.refusals.size).toBe(0)
  })

  it('says which setting names the builder', async () => {
    const config = await makeConfig('unequipped')
    const tools = { ...makeTools(), jobSettings: { ...jobSettings, build: { image: '', resources: {} } } }
    await expect(create(config, tools)).rejects.toThrow('was refused')
    expect(tools.refusals.get(jobSpec.image)).toMatchObject({
      reason: 'BuilderUnavailable',
      message: expect.stringContaining('RELATED_IMAGE_BUILD'),
    })
    expect(await listPods('unequipped')).toEqual([])
  })

  it('does not take somebody else’s pod for its own', async () => {
    const config = await makeConfig('taken')
    await create(config, makeTools())
    const [pod] = await listPods('taken')
    const key = { namespace: 'taken', name: pod?.metadata?.name ?? '' }
    const body = { metadata: { annotations: { 'kmm.node.kubernetes.io/last-hash': 'x' } } }
    await sandbox.client.patch(pods, key, { type: 'merge', body })
    const tools = makeTools()
    await expect(create(config, tools)).rejects.toThrow('was refused')
    expect(tools.refusals.get(jobSpec.image)?.message).toMatch(
      /has the name that a pod of the operator needs.*delete it$/,
    )
  })
})

describe('a job that is deleted', () => {
  const jobOf = (tools: JobTools): Job => {
    const [job] = jobsIn(tools)
    if (job === undefined) throw new Error('no job in the cache')
    return job
  }

  it('is gone from cluster and cache; deleting it again is no error', async () => {
    const config = await makeConfig('removed')
    const tools = makeTools()
    await create(config, tools)
    const job = jobOf(tools)
    await deleteJob({ type: 'deleteJob', config, job }, tools, signal)
    expect(await listPods('removed')).toEqual([])
    expect(jobsIn(tools)).toEqual([])
    await deleteJob({ type: 'deleteJob', config, job }, tools, signal)
  })

  it('takes no other pod of its name with it', async () => {
    const config = await makeConfig('namesake')
    const tools = makeTools()
    await create(config, tools)
    await deleteJob({ type: 'deleteJob', config, job: { ...jobOf(tools), uid: 'another' } }, tools, signal)
    expect(await listPods('namesake')).toHaveLength(1)
    expect(jobsIn(tools)).toHaveLength(1)
  })

  it('loses the finalizers of an upstream operator, and no others', async () => {
    const config = await makeConfig('upstream')
    const tools = makeTools()
    await create(config, makeTools())
    const [pod] = await listPods('upstream')
    const key = { namespace: 'upstream', name: pod?.metadata?.name ?? '' }
    const finalizers = [
      'kmm.node.kubernetes.io/gc-delay',
      'example.com/x',
      'kmm.node.kubernetes.io/job-event-finalizer',
    ]
    tools.caches.pods.written(
      await sandbox.client.patch(pods, key, { type: 'merge', body: { metadata: { finalizers } } }),
    )
    await deleteJob({ type: 'deleteJob', config, job: jobOf(tools) }, tools, signal)
    const [left] = await listPods('upstream')
    expect(left?.metadata?.finalizers).toEqual(['example.com/x'])
    expect(left?.metadata?.deletionTimestamp).toBeDefined()
  })
})
