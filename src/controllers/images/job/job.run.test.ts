import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fillCaches } from '../../../../test/builders/caches.ts'
import { jobSettings } from '../../../../test/builders/job.ts'
import { buildNode } from '../../../../test/builders/node.ts'
import { signerOf, unsignedModule } from '../../../../test/signing-fixture.ts'
import { buildTar, file } from '../../../../test/tar-builder.ts'
import type { ModuleImagesConfig, ModuleImageSpec } from '../../../api/module-images-config.ts'
import { moduleImagesConfigs } from '../../../api/resources.ts'
import { configMaps, namespaces, pods, secrets } from '../../../kube/core-resources.ts'
import { defineResource } from '../../../kube/resource.ts'
import { createTokenCache } from '../../../oci/token-cache.ts'
import { createKeyedLock } from '../../../runtime/keyed-lock.ts'
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts'
import type { NewJob } from '../action.ts'
import { trimPod } from '../../cluster/pod-view.ts'
import { createJob } from './create-job.ts'
import { inspectSignature } from './inspect-signature.ts'
import { jobOfPod } from './job-of-pod.ts'
import { findJobSources } from './job-sources.ts'
import type { Job } from './job.ts'

let sandbox: Sandbox
let config: ModuleImagesConfig
let spec: ModuleImageSpec
const path = '/opt/lib/modules/6.1.0/a.ko'
const { signal } = new AbortController()

beforeAll(async () => {
  sandbox = await startSandbox({ buildahProgram: 'kmm-no-such-buildah' })
  await sandbox.addNode({ name: 'n1', kernel: '6.1.0' })
  const { client } = sandbox
  await client.create(namespaces, { metadata: { name: 'ns' } })
  const read = (name: string): string => readFileSync(`src/kmod/testdata/signing/${name}`).toString('base64')
  const data = { key: read('rsa.key'), cert: read('rsa.pem') }
  await client.create(secrets, { metadata: { namespace: 'ns', name: 'both' }, data })
  await client.create(configMaps, {
    metadata: { namespace: 'ns', name: 'recipe' },
    data: { dockerfile: 'FROM scratch' },
  })
  const tls = { insecure: true }
  spec = {
    image: `${sandbox.registry.address}/mod:v1`,
    kernelVersion: '6.1.0',
    registryTLS: tls,
    build: { dockerfileConfigMap: { name: 'recipe' } },
    sign: {
      keySecret: { name: 'both' },
      certSecret: { name: 'both' },
      filesToSign: [path],
      unsignedImageRegistryTLS: tls,
    },
  }
  config = await client.create(defineResource<ModuleImagesConfig>(moduleImagesConfigs), {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'ModuleImagesConfig',
    metadata: { namespace: 'ns', name: 'mod' },
    spec: { images: [spec], pushBuiltImage: true },
  })
}, 60_000)
afterAll(() => sandbox.stop())

async function findJob(hash: string): Promise<Job | undefined> {
  const { items } = await sandbox.client.list(pods, { namespace: 'ns' })
  return items.flatMap((pod) => jobOfPod(trimPod(pod), buildNode()) ?? []).find((job) => job.hash === hash)
}

/** Makes the pod of a job, and answers what has become of it in the end. */
async function run(job: NewJob): Promise<Job['state'] | undefined> {
  const tools = {
    client: sandbox.client,
    caches: fillCaches({}),
    jobSettings: {
      ...jobSettings,
      build: { image: sandbox.builderImage, resources: {} },
      sign: { image: sandbox.workerImage, resources: {} },
    },
    refusals: new Map(),
  }
  await createJob({ type: 'createJob', config, image: spec, job }, tools, { signal, nowMs: 0 })
  const isDone = async () => ['succeeded', 'failed'].includes((await findJob(job.hash))?.state.kind ?? '')
  await expect.poll(isDone, { timeout: 30_000, interval: 100 }).toBe(true)
  return (await findJob(job.hash))?.state
}

it('a sign pod runs, pushes the signed image, and is read as what it is', async () => {
  const layers = [
    {
      bytes: gzipSync(buildTar([file(path.slice(1), unsignedModule)])),
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    },
  ]
  const { digest } = await sandbox.registry.push({ repository: 'raw', tag: 'v1', layers })
  const source = { reference: `${sandbox.registry.address}/raw@${digest}`, digest, isOwn: false }
  const state = await run({
    type: 'SignImage',
    hash: 'a'.repeat(64),
    attempt: 1,
    target: spec.image,
    dockerfile: '',
    source,
  })
  const made = state?.kind === 'succeeded' ? state.digest : JSON.stringify(state)
  expect(made).toMatch(/^sha256:/)
  const certificate = signerOf('rsa').certificate.fingerprint
  const tools = {
    client: sandbox.client,
    settings: {},
    tokens: createTokenCache(),
    warn: () => undefined,
    signal,
    temporaryFolder: sandbox.folder,
    inspecting: createKeyedLock(),
  }
  const sources = findJobSources(config, spec, fillCaches({}))
  expect(await inspectSignature({ spec, digest: made, certificate }, sources, tools)).toEqual({ kind: 'signed' })
})

it('a build pod without buildah says that there is none', async () => {
  const state = await run({
    type: 'BuildImage',
    hash: 'b'.repeat(64),
    attempt: 1,
    target: spec.image,
    dockerfile: 'FROM scratch',
    source: undefined,
  })
  expect(state).toMatchObject({ kind: 'failed', reason: 'BuilderUnavailable' })
})
