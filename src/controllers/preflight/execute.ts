import type { ModuleImagesConfig } from '../../api/module-images-config.ts'
import type { PreflightValidation } from '../../api/preflight-validation.ts'
import { moduleImagesConfigs, preflightValidations } from '../../api/resources.ts'
import { assertNever, describeError, hasCode } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { keyOf } from '../../kube/object.ts'
import { defineResource } from '../../kube/resource.ts'
import type { ExecuteContext } from '../../runtime/reconciler.ts'
import type { Caches } from '../cluster/caches.ts'
import { retryAfter } from '../images/timing.ts'
import type { Action } from './decide.ts'
import type { Refusal } from './observed.ts'

const images = defineResource<ModuleImagesConfig>(moduleImagesConfigs)
const preflights = defineResource<PreflightValidation>(preflightValidations)

/** What `preflight` acts with. */
export interface PreflightTools {
  client: KubeClient
  caches: Pick<Caches, 'moduleImagesConfigs' | 'preflightValidations'>
  /** By ModuleImagesConfig; written here, read by `observe`. */
  refusals: Map<string, Refusal>
  /** When each PreflightValidation's status was last written (epoch), by its uid; written here, read by `observe`. */
  lastWrites: Map<string, number>
  /** Asks for another pass, which tells of a refusal. */
  wake: (preflight: string) => void
}

type ActionOf<T extends Action['type']> = Extract<Action, { type: T }>

/** What the API server refuses for one Module is for no other Module to wait for. */
async function tryWriting(
  { preflight, config }: { preflight: PreflightValidation; config: ModuleImagesConfig },
  { caches, refusals, wake }: PreflightTools,
  { nowMs }: ExecuteContext,
  write: () => Promise<ModuleImagesConfig>,
): Promise<void> {
  const key = keyOf(config)
  try {
    caches.moduleImagesConfigs.written(await write())
    refusals.delete(key)
  } catch (error) {
    if (!hasCode(error, 'Forbidden', 'Invalid', 'NotFound', 'AlreadyExists')) throw error
    const attempts = (refusals.get(key)?.attempts ?? 0) + 1
    const message = `ModuleImagesConfig ${key}, with which its image is looked for, cannot be written: ${describeError(error)}`
    const { name, uid = '' } = preflight.metadata
    refusals.set(key, { preflight: uid, message, attempts, untilMs: nowMs + retryAfter(attempts) })
    wake(name)
  }
}

async function deleteImages(
  { config }: ActionOf<'deleteImages'>,
  { client, caches }: PreflightTools,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name, uid = '' } = config.metadata
  const options = { preconditions: { uid }, signal }
  const remaining = await client.delete(images, { namespace, name }, options).catch((error: unknown) => {
    if (!hasCode(error, 'NotFound', 'Conflict')) throw error
    return undefined
  })
  caches.moduleImagesConfigs.deleted({ namespace, name }, uid, remaining)
}

async function writeStatus(
  { preflight, modules }: ActionOf<'writeStatus'>,
  { client, caches, lastWrites }: PreflightTools,
  { signal, nowMs }: ExecuteContext,
): Promise<void> {
  const { name, uid = '', resourceVersion } = preflight.metadata
  const body = { metadata: { resourceVersion }, status: { modules } }
  const written = await client.patch(preflights, { name }, { type: 'merge', body }, { subresource: 'status', signal })
  lastWrites.set(uid, nowMs)
  caches.preflightValidations.written(written)
}

/** Carries out one action. */
export async function execute(action: Action, tools: PreflightTools, context: ExecuteContext): Promise<void> {
  const { client } = tools
  const { signal } = context
  switch (action.type) {
    case 'createImages':
      return tryWriting(action, tools, context, () => client.create(images, action.config, { signal }))
    case 'patchImages': {
      const { namespace, name, resourceVersion } = action.config.metadata
      const body = { metadata: { resourceVersion }, spec: action.spec }
      return tryWriting(action, tools, context, () =>
        client.patch(images, { namespace, name }, { type: 'merge', body }, { signal }),
      )
    }
    case 'deleteImages':
      return deleteImages(action, tools, signal)
    case 'writeStatus':
      return writeStatus(action, tools, context)
    default:
      return assertNever(action)
  }
}
