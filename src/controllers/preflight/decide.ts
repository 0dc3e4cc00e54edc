import { imagesModuleAnnotation } from '../../api/annotations.ts'
import type { ModuleImagesConfig, ModuleImagesConfigSpec } from '../../api/module-images-config.ts'
import type { PreflightModuleStatus, PreflightValidation } from '../../api/preflight-validation.ts'
import type { Decision, Wait } from '../../runtime/reconciler.ts'
import { buildImagesSpec, dropAbsent } from '../cluster/images-spec.ts'
import { sameJson } from '../cluster/same-json.ts'
import { isAsked, judge } from './judge.ts'
import type { CheckedModule, ObservedPreflight } from './observed.ts'
import { fitEntries, makeEntry } from './status.ts'

/** What `preflight` can do. */
export type Action =
  | { type: 'createImages'; preflight: PreflightValidation; config: ModuleImagesConfig }
  | {
      type: 'patchImages'
      preflight: PreflightValidation
      config: ModuleImagesConfig
      spec: ModuleImagesConfigSpec
    }
  | { type: 'deleteImages'; config: ModuleImagesConfig }
  | { type: 'writeStatus'; preflight: PreflightValidation; modules: readonly PreflightModuleStatus[] }

/** The status is written at most once in this time; a large one less often, as each write is one of the whole. */
const statusIntervalMs = 1_000
const intervalOfModuleMs = 5

function buildConfig(
  { module, configName }: CheckedModule,
  { metadata: { name, uid = '' } }: PreflightValidation,
  spec: ModuleImagesConfigSpec,
): ModuleImagesConfig {
  const owner = { apiVersion: 'kmm.sigs.x-k8s.io/v1beta2', kind: 'PreflightValidation', name, uid }
  return {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'ModuleImagesConfig',
    metadata: {
      namespace: module.metadata.namespace,
      name: configName,
      annotations: { [imagesModuleAnnotation]: module.metadata.name },
      ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }],
    },
    spec,
  }
}

function buildSpec({ module, mapping }: CheckedModule, { spec }: PreflightValidation) {
  if (mapping.kind !== 'resolved') return undefined
  // What is pushed is never a matter of a default.
  return buildImagesSpec(module, [mapping.resolved], { isPushed: spec.pushBuiltImage === true, trigger: undefined })
}

/** What is asked for one Module, unless it is asked already; one that was refused is asked again later. */
function decideImages(
  checked: CheckedModule,
  spec: ModuleImagesConfigSpec,
  preflight: PreflightValidation,
  nowMs: number,
): Decision<Action> {
  const { config, refusal } = checked
  if (config !== undefined && isAsked(config, spec)) return { actions: [], waits: [] }
  if (refusal !== undefined && nowMs < refusal.untilMs) {
    const { message, untilMs } = refusal
    return { actions: [], waits: [{ reason: 'ImageUnknown', message, untilMs }] }
  }
  const action: Action =
    config === undefined
      ? { type: 'createImages', preflight, config: buildConfig(checked, preflight, spec) }
      : { type: 'patchImages', preflight, config, spec: dropAbsent(spec, config.spec) }
  return { actions: [action], waits: [] }
}

function decideStatus(
  { preflight, lastWriteMs }: ObservedPreflight,
  entries: readonly PreflightModuleStatus[],
  nowMs: number,
): Decision<Action> {
  const modules = fitEntries(entries)
  if (sameJson(modules, preflight.status?.modules)) return { actions: [], waits: [] }
  const intervalMs = Math.max(statusIntervalMs, modules.length * intervalOfModuleMs)
  const dueMs = lastWriteMs + intervalMs
  if (nowMs >= dueMs) return { actions: [{ type: 'writeStatus', preflight, modules }], waits: [] }
  const message = `the status is written at most every ${intervalMs / 1000} s`
  return { actions: [], waits: [{ reason: 'ImageUnknown', message, untilMs: dueMs }] }
}

/** Decides what is asked for each Module, all at the same time, and what is said of it. No Module waits for another. */
export function decide(observed: ObservedPreflight, nowMs: number): Decision<Action> {
  const { preflight, modules, leftOver } = observed
  const known = new Map(preflight.status?.modules?.map((entry) => [`${entry.namespace}/${entry.name}`, entry]))
  const images: Action[] = []
  const waits: Wait[] = []
  const entries = modules.map((checked) => {
    const { metadata } = checked.module
    const present = known.get(`${metadata.namespace}/${metadata.name}`)
    const spec = buildSpec(checked, preflight)
    const asking = spec && decideImages(checked, spec, preflight, nowMs)
    images.push(...(asking?.actions ?? []))
    waits.push(...(asking?.waits ?? []))
    return makeEntry(metadata, judge({ checked, spec, present, kernel: preflight.spec.kernelVersion }), present, nowMs)
  })
  const status = decideStatus(observed, entries, nowMs)
  const deletions = leftOver.map((config): Action => ({ type: 'deleteImages', config }))
  return { actions: [...images, ...deletions, ...status.actions], waits: [...waits, ...status.waits] }
}
