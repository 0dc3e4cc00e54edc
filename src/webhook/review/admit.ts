import type { ManagedClusterModule } from '../../api/managed-cluster-module.ts'
import type { Module } from '../../api/module.ts'
import type { PreflightValidation, PreflightValidationV1beta1 } from '../../api/preflight-validation.ts'
import { managedClusterModules, modules, preflightValidations } from '../../api/resources.ts'
import type { JsonObject } from '../../api/schema/json.ts'
import { refuseNamespaceDeletion } from '../guard-namespace.ts'
import type { ServerVersion } from '../../kube/server-version.ts'
import type { Findings } from '../module/finding.ts'
import { warnOfUnloadPolicy } from '../module/unload-policy.ts'
import { validateManagedClusterModule } from '../module/validate-managed-cluster-module.ts'
import { isExempt, validateModule } from '../module/validate-module.ts'
import { validatePreflight } from '../preflight/validate-preflight.ts'
import { type AdmissionAnswer, type AdmissionRequest, toAnswer } from './admission-review.ts'
import { badReview } from './bad-review.ts'
import { checkObject, type ObjectType, readObject } from './read-object.ts'

/** Judges one request. Throws Invalid for one that no API server sends. */
export type Admit = (request: AdmissionRequest) => Promise<AdmissionAnswer>

/** How the cluster's version is found out; undefined while it cannot be. */
export type ReadServerVersion = () => Promise<ServerVersion | undefined>

type Judge<T> = (object: T, old: T | undefined) => Promise<Findings> | Findings

/** Judges writes of one kind in the given versions: shape first, then the rules. */
function admitKind<T>({ group, kind }: ObjectType, versions: readonly string[], judge: Judge<T>): Admit {
  return async ({ operation, kind: asked, object, oldObject }) => {
    if (asked.group !== group || asked.kind !== kind || !versions.includes(asked.version))
      throw badReview(`request.kind is not ${group}/${versions.join(' or ')} ${kind}`)
    if (operation !== 'CREATE' && operation !== 'UPDATE')
      return refuse(`${operation} is not implemented for ${kind}; ask this webhook about CREATE and UPDATE alone`)
    if (object === undefined) throw badReview('request.object is missing')
    checkObject(object, asked, 'request.object')
    if (operation === 'CREATE') return judgeShaped({ object, type: asked, judge })
    if (oldObject === undefined) throw badReview('request.oldObject is missing')
    checkObject(oldObject, asked, 'request.oldObject')
    return judgeShaped({ object, oldObject, type: asked, judge })
  }
}

const refuse = (message: string): AdmissionAnswer => ({ refusal: { message }, warnings: [] })

interface Shaped<T> {
  object: JsonObject
  oldObject?: JsonObject
  type: ObjectType
  judge: Judge<T>
}

async function judgeShaped<T>({ object, oldObject, type, judge }: Shaped<T>): Promise<AdmissionAnswer> {
  type Raw = Parameters<typeof isExempt>[0] & { metadata: Parameters<typeof warnOfUnloadPolicy>[0] }
  const [raw, rawOld] = [object as unknown as Raw, oldObject as unknown as Raw | undefined]
  // Before its shape: what was stored under older rules must be able to lose its finalizers.
  if (rawOld !== undefined && isExempt(raw, rawOld))
    return { warnings: warnOfUnloadPolicy(raw.metadata, rawOld.metadata) }
  const read = readObject<T>(object, type)
  if ('errors' in read) return toAnswer({ errors: read.errors, warnings: [] })
  const old = oldObject === undefined ? undefined : readObject<T>(oldObject, type)
  return toAnswer(await judge(read.value, old !== undefined && 'value' in old ? old.value : undefined))
}

/** Judges Modules; only those with `dra` need the cluster's version. */
export function createModuleAdmission(readServerVersion: ReadServerVersion): Admit {
  return admitKind<Module>(modules, [modules.version], async (module, old) => {
    const serverVersion = module.spec?.dra === undefined ? undefined : await readServerVersion()
    return validateModule(module, old, serverVersion === undefined ? {} : { serverVersion })
  })
}

/** Judges ManagedClusterModules. */
export const admitManagedClusterModule: Admit = admitKind<ManagedClusterModule>(
  managedClusterModules,
  [managedClusterModules.version],
  validateManagedClusterModule,
)

/** Judges PreflightValidations of both versions. */
export const admitPreflight: Admit = admitKind<PreflightValidation | PreflightValidationV1beta1>(
  preflightValidations,
  ['v1beta1', preflightValidations.version],
  validatePreflight,
)

/** Judges deletions of namespaces. */
export const admitNamespace: Admit = async ({ operation, kind, oldObject }) => {
  const type = { group: '', version: 'v1', kind: 'Namespace' }
  if (kind.group !== type.group || kind.version !== type.version || kind.kind !== type.kind)
    throw badReview('request.kind is not v1 Namespace')
  if (operation !== 'DELETE')
    return refuse(`${operation} is not implemented for Namespace; ask this webhook about DELETE alone`)
  if (oldObject === undefined) throw badReview('request.oldObject is missing')
  checkObject(oldObject, type, 'request.oldObject')
  const message = refuseNamespaceDeletion(oldObject)
  return message === undefined ? { warnings: [] } : refuse(message)
}
