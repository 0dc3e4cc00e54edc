import type { Pod } from 'kubernetes-types/core/v1.js'
import type { ModuleImagesConfig, ModuleImageSpec } from '../../src/api/module-images-config.ts'
import { type PodView, trimPod } from '../../src/controllers/cluster/pod-view.ts'
import { type BuildIntent, buildBuildPod } from '../../src/controllers/images/job/build-pod.ts'
import type { JobSettings } from '../../src/controllers/images/job/job-pod.ts'
import { buildSignPod, type SignIntent } from '../../src/controllers/images/job/sign-pod.ts'

export const jobSettings: JobSettings = {
  build: { image: 'builder:test', resources: { requests: { memory: '1Gi' } } },
  sign: { image: 'worker:test', resources: { limits: { memory: '256Mi' } } },
  registrySettings: '',
}

/** An image that is built and signed. */
export const jobSpec: ModuleImageSpec = {
  image: 'registry.test/mod:v1',
  kernelVersion: '6.1.0-1-amd64',
  dirName: '/opt',
  build: { dockerfileConfigMap: { name: 'recipe' } },
  sign: {
    keySecret: { name: 'key' },
    certSecret: { name: 'cert' },
    filesToSign: ['/opt/lib/modules/6.1.0-1-amd64/a.ko'],
  },
}

export const jobConfig: ModuleImagesConfig = {
  apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
  kind: 'ModuleImagesConfig',
  metadata: { namespace: 'ns', name: 'mod', uid: 'uid-images' },
  spec: { images: [jobSpec], pushBuiltImage: true },
}

const common = {
  config: jobConfig,
  spec: jobSpec,
  module: { namespace: 'ns', name: 'mod' },
  hash: 'h'.repeat(64),
  attempt: 1,
  architecture: '',
}

/** The build pod of the image, with changes of what it is made for. */
export function makeBuildPod(changes: Partial<BuildIntent> = {}, pullSecrets: readonly string[] = []): Pod {
  return buildBuildPod(
    { ...common, type: 'BuildImage', target: 'registry.test/mod:v1', dockerfile: 'FROM scratch', ...changes },
    jobSettings,
    pullSecrets,
  )
}

/** The sign pod of the image, with changes of what it is made for. */
export function makeSignPod(changes: Partial<SignIntent> = {}, pullSecrets: readonly string[] = []): Pod {
  const source = { reference: `registry.test/mod@sha256:${'a'.repeat(64)}`, tls: undefined }
  return buildSignPod({ ...common, type: 'SignImage', source, isPushed: true, ...changes }, jobSettings, pullSecrets)
}

/** The view of a job's pod on the node `n1`, with changes. */
export function viewJob(pod: Pod, changes: Partial<PodView> = {}): PodView {
  const view = trimPod({ ...pod, metadata: { ...pod.metadata, uid: 'uid-pod' } })
  return { ...view, createdAt: '2030-01-01T00:00:00Z', nodeName: 'n1', ...changes }
}
