import { createHash } from 'node:crypto'
import type { ModuleImagesConfig, ModuleImagesConfigStatus } from '../../api/module-images-config.ts'
import { moduleImagesConfigs } from '../../api/resources.ts'
import { assertNever } from '../../errors/error.ts'
import { tell } from '../../kube/events.ts'
import type { KubeClient } from '../../kube/client.ts'
import { keyOf } from '../../kube/object.ts'
import { defineResource } from '../../kube/resource.ts'
import type { createRegistry } from '../../oci/registry.ts'
import type { RegistrySettings } from '../../oci/settings.ts'
import type { TokenCache } from '../../oci/token-cache.ts'
import type { KeyedLock } from '../../runtime/keyed-lock.ts'
import type { ExecuteContext } from '../../runtime/reconciler.ts'
import type { Caches } from '../cluster/caches.ts'
import { findModule } from '../cluster/images-config.ts'
import type { Action } from './action.ts'
import { checkImage } from './check-image.ts'
import { createJob } from './job/create-job.ts'
import { deleteJob } from './job/delete-job.ts'
import { inspectSignature } from './job/inspect-signature.ts'
import type { JobSettings } from './job/job-pod.ts'
import type { InputsResult } from './job/job.ts'
import { findJobSources } from './job/job-sources.ts'
import { formatInputsKey, readInputs } from './job/read-inputs.ts'
import { formatAccess } from './lookup.ts'
import { listSharedJobs } from './observe.ts'
import { createFacts, type Facts } from './observed.ts'
import type { SilentRegistries } from './silent-registries.ts'
import { countFreeSlots, observeSlots } from './slots.ts'

const resource = defineResource<ModuleImagesConfig>(moduleImagesConfigs)

/** What `images` acts with. */
export interface ImagesTools {
  client: KubeClient
  caches: Caches
  settings: RegistrySettings
  tokens: TokenCache
  /** Makes the client that asks registries; the real one unless given. */
  openRegistry?: typeof createRegistry
  /** Told what of a pull secret is not used, and why. */
  warn: (message: string) => void
  jobSettings: JobSettings
  /** How many build pods may run at once in the cluster. */
  maxConcurrentBuilds: number
  /** A folder for the modules of images that are looked into. */
  temporaryFolder: string
  /** Which registries do not answer. */
  silent: SilentRegistries
  /** Lets one image at a time be looked into. */
  inspecting: KeyedLock
  now: () => number
  /** By ModuleImagesConfig; written here, read by `observe`. */
  facts: Map<string, Facts>
  /** Lets one pod at a time be made for an image. */
  making: KeyedLock
  /** Build pods that are being made this moment. */
  creating: Set<string>
  /** Asks for another pass, which sees what was found out. */
  wake: (key: string) => void
}

type ActionOf<T extends Action['type']> = Extract<Action, { type: T }>

/** What is found out about one ModuleImagesConfig, to be added to. */
function factsOf(config: ModuleImagesConfig, { facts }: ImagesTools): Facts {
  const key = keyOf(config)
  const known = facts.get(key) ?? createFacts()
  facts.set(key, known)
  return known
}

async function runCheck(action: ActionOf<'checkImage'>, tools: ImagesTools, signal: AbortSignal): Promise<void> {
  const { config, image, trigger, after } = action
  const sources = findJobSources(config, image, tools.caches)
  const result = await checkImage(image, sources, { ...tools, signal })
  const { checks } = factsOf(config, tools)
  const access = formatAccess(config, image)
  const before = checks.get(image.image)
  const failed = before?.access === access ? before.attempts : 0
  const attempts = result.kind === 'exists' ? 0 : failed + 1
  checks.set(image.image, { result, atMs: tools.now(), attempts, trigger, access, after })
  tools.wake(keyOf(config))
}

/** A base image that a registry does not answer for now is taken for what it was, as long as the Dockerfile is the same. */
function isSameButFor(before: InputsResult, now: InputsResult): boolean {
  if (before.kind !== 'read' || now.kind !== 'read' || !before.build || !now.build) return false
  const [known, unknown] = [before.build, now.build].map(({ unresolved = [] }) => unresolved.length)
  const isSameSigning = before.sign?.hash === now.sign?.hash
  return known === 0 && unknown !== 0 && isSameSigning && before.build.dockerfile === now.build.dockerfile
}

async function runRead(
  { config, image }: ActionOf<'readInputs'>,
  tools: ImagesTools,
  signal: AbortSignal,
): Promise<void> {
  const sources = findJobSources(config, image, tools.caches)
  const result = await readInputs(image, sources, { ...tools, signal })
  const key = formatInputsKey(config, image)
  const { inputs } = factsOf(config, tools)
  const before = inputs.get(image.image)
  const known = before?.key === key && isSameButFor(before.result, result) ? before.result : result
  inputs.set(image.image, { result: known, atMs: tools.now(), key })
  tools.wake(keyOf(config))
}

async function runInspection(action: ActionOf<'inspectImage'>, tools: ImagesTools, signal: AbortSignal): Promise<void> {
  const { config, image, digest, certificate } = action
  const sources = findJobSources(config, image, tools.caches)
  const result = await inspectSignature({ spec: image, digest, certificate }, sources, { ...tools, signal })
  const { inspections } = factsOf(config, tools)
  const before = inspections.get(image.image)
  const attempts = result.kind === 'unknown' ? (before?.digest === digest ? before.attempts : 0) + 1 : 0
  inspections.set(image.image, { result, atMs: tools.now(), digest, certificate, attempts })
  tools.wake(keyOf(config))
}

/** The room for build pods, and who makes the image, is looked at once more: other Modules' passes may have changed it since. */
async function runJob(action: ActionOf<'createJob'>, tools: ImagesTools, context: ExecuteContext): Promise<void> {
  const { config, image } = action
  return tools.making.hold(`${config.metadata.namespace} ${image.image}`, async () => {
    const shared = listSharedJobs(config, tools.caches).some((job) => job.image === image.image)
    return shared ? tools.wake(keyOf(config)) : makeJob(action, tools, context)
  })
}

async function makeJob(action: ActionOf<'createJob'>, tools: ImagesTools, context: ExecuteContext): Promise<void> {
  const { config, image, job } = action
  const { refusals } = factsOf(config, tools)
  if (job.type === 'SignImage') return createJob(action, { ...tools, refusals }, context)
  const freeSlots = countFreeSlots(config, observeSlots(config, tools), tools.maxConcurrentBuilds)
  if (freeSlots <= 0) return tools.wake(keyOf(config))
  const slot = `${keyOf(config)} ${image.image}`
  tools.creating.add(slot)
  try {
    await createJob(action, { ...tools, refusals }, context)
  } finally {
    tools.creating.delete(slot)
  }
}

async function announce(
  { config, job, event }: ActionOf<'recordEvent'>,
  tools: ImagesTools,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name } = findModule(config)
  const module = tools.caches.modules.get({ namespace, name })
  const suffix = createHash('sha256').update(`${job.uid} ${event.reason}`).digest('hex').slice(0, 10)
  // A Module that is gone needs to hear nothing.
  if (module !== undefined)
    await tell(
      {
        name: `${name}.${suffix}`,
        regarding: {
          apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
          kind: 'Module',
          namespace,
          name,
          uid: module.metadata.uid ?? '',
        },
        type: event.reason.endsWith('Failed') ? 'Warning' : 'Normal',
        reason: event.reason,
        message: event.message,
      },
      tools,
      signal,
    )
  factsOf(config, tools).announced.add(`${job.uid} ${event.reason}`)
}

async function remove(action: ActionOf<'deleteJob'>, tools: ImagesTools, signal: AbortSignal): Promise<void> {
  await deleteJob(action, tools, signal)
  const { announced } = factsOf(action.config, tools)
  for (const said of announced) if (said.startsWith(`${action.job.uid} `)) announced.delete(said)
}

async function writeStatus(
  { config, images, states, trigger }: ActionOf<'writeStatus'>,
  tools: ImagesTools,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name, resourceVersion } = config.metadata
  const status: Record<keyof ModuleImagesConfigStatus, unknown> = {
    images,
    imagesStates: states,
    imageRebuildTriggerGeneration: trigger ?? null,
  }
  const body = { metadata: { resourceVersion }, status }
  const patch = { type: 'merge' as const, body }
  tools.caches.moduleImagesConfigs.written(
    await tools.client.patch(resource, { namespace, name }, patch, { subresource: 'status', signal }),
  )
}

/** Carries out one action. */
export async function execute(action: Action, tools: ImagesTools, context: ExecuteContext): Promise<void> {
  const { signal } = context
  switch (action.type) {
    case 'checkImage':
      return runCheck(action, tools, signal)
    case 'readInputs':
      return runRead(action, tools, signal)
    case 'inspectImage':
      return runInspection(action, tools, signal)
    case 'createJob':
      return runJob(action, tools, context)
    case 'deleteJob':
      return remove(action, tools, signal)
    case 'recordEvent':
      return announce(action, tools, signal)
    case 'writeStatus':
      return writeStatus(action, tools, signal)
    default:
      return assertNever(action)
  }
}
