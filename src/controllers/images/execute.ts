import type { ModuleImagesConfig, ModuleImagesConfigStatus } from '../../api/module-images-config.ts'
import type { Module } from '../../api/module.ts'
import { moduleImagesConfigs } from '../../api/resources.ts'
import { assertNever } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { keyOf } from '../../kube/object.ts'
import { defineResource } from '../../kube/resource.ts'
import type { RegistrySettings } from '../../oci/settings.ts'
import type { TokenCache } from '../../oci/token-cache.ts'
import type { ExecuteContext } from '../../runtime/reconciler.ts'
import type { Caches } from '../cluster/caches.ts'
import { checkImage } from './check-image.ts'
import { type Action, formatAccess } from './decide.ts'
import type { Check } from './observed.ts'

const resource = defineResource<ModuleImagesConfig>(moduleImagesConfigs)

/** What `images` acts with. */
export interface ImagesTools {
  client: KubeClient
  caches: Caches
  settings: RegistrySettings
  tokens: TokenCache
  /** Told what of a pull secret is not used, and why. */
  warn: (message: string) => void
  /** Checks by ModuleImagesConfig and image; written here, read by `observe`. */
  checks: Map<string, Map<string, Check>>
  now: () => number
  /** Asks for another pass, which sees the result of a check. */
  wake: (key: string) => void
}

type ActionOf<T extends Action['type']> = Extract<Action, { type: T }>

const serviceAccountOf = (module: Module | undefined): string =>
  module?.spec?.moduleLoader?.serviceAccountName || 'default'

async function runCheck(
  { config, image, trigger }: ActionOf<'checkImage'>,
  tools: ImagesTools,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name } = config.metadata
  const result = await checkImage(
    image,
    {
      namespace,
      imageRepoSecret: config.spec?.imageRepoSecret?.name ?? '',
      serviceAccountName: serviceAccountOf(tools.caches.modules.get({ namespace, name })),
    },
    { ...tools, signal },
  )
  const key = keyOf(config)
  const checks = tools.checks.get(key) ?? new Map<string, Check>()
  const access = formatAccess(config, image)
  const before = checks.get(image.image)
  const failed = before?.access === access ? before.attempts : 0
  const attempts = result.kind === 'exists' ? 0 : failed + 1
  checks.set(image.image, { result, atMs: tools.now(), attempts, trigger, access })
  tools.checks.set(key, checks)
  tools.wake(key)
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
export async function execute(action: Action, tools: ImagesTools, { signal }: ExecuteContext): Promise<void> {
  switch (action.type) {
    case 'checkImage':
      return runCheck(action, tools, signal)
    case 'writeStatus':
      return writeStatus(action, tools, signal)
    default:
      return assertNever(action)
  }
}
