import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import type { Namespace } from 'kubernetes-types/core/v1.js'
import { containsModulesLabel } from '../../src/api/labels.ts'
import type { ImageStatus, ModuleImagesConfig } from '../../src/api/module-images-config.ts'
import type { Condition, ModuleStatus } from '../../src/api/module.ts'
import { type Action, decide } from '../../src/controllers/report/decide.ts'
import { observe } from '../../src/controllers/report/observe.ts'
import { createWorkloadRefusals } from '../../src/controllers/cluster/refusals.ts'
import { createMappingResolver } from '../../src/kernel/resolver.ts'
import type { Decision } from '../../src/runtime/reconciler.ts'
import { type ClusterObjects, fillCaches } from './caches.ts'

export const reportMs = Date.parse('2030-01-01T00:00:00Z')

/** A namespace that is guarded against deletion, or is not. */
export function buildNamespace(guarded = true, name = 'ns'): Namespace {
  return {
    metadata: { name, uid: `uid-${name}`, resourceVersion: '1', labels: guarded ? { [containsModulesLabel]: '' } : {} },
  }
}

/** The ModuleImagesConfig of the usual Module, with what is known of its only image. */
export function buildImages(status: Partial<ImageStatus> = {}): ModuleImagesConfig {
  const image = 'registry.test/mod:v1'
  return {
    metadata: { namespace: 'ns', name: 'mod', uid: 'uid-images', resourceVersion: '3' },
    spec: { images: [{ image, kernelVersion: '6.1.0-1-amd64' }] },
    status: {
      images: [{ image, phase: 'Exists', since: '2030-01-01T00:00:00Z', ...status }],
      imagesStates: [],
    },
  }
}

/** The DaemonSet of the usual Module's device plugin, as its controller counts. */
export function buildDaemonSet(desired: number, available: number, observedGeneration = 1): DaemonSet {
  return {
    metadata: {
      namespace: 'ns',
      name: 'mod-device-plugin-1',
      uid: 'uid-ds',
      resourceVersion: '1',
      generation: 1,
      labels: { 'kmm.node.kubernetes.io/module.name': 'mod', 'kmm.node.kubernetes.io/role': 'device-plugin' },
    },
    status: {
      observedGeneration,
      desiredNumberScheduled: desired,
      numberAvailable: available,
      currentNumberScheduled: desired,
      numberMisscheduled: 0,
      numberReady: available,
    },
  }
}

/** Decides about the usual Module in a cluster, `lastWriteMs` after whose status was written. */
export function decideReport(
  objects: ClusterObjects & { claimed?: boolean; lost?: boolean },
  lastWriteMs = 0,
  nowMs = reportMs,
  key = 'ns/mod',
): Decision<Action> {
  const caches = fillCaches({ namespaces: [buildNamespace()], moduleImagesConfigs: [buildImages()], ...objects })
  const lastWrites = new Map([['ns/mod', lastWriteMs]])
  const observed = observe(key, {
    caches,
    resolver: createMappingResolver(),
    lastWrites,
    refusals: createWorkloadRefusals(),
    claims: { has: () => objects.claimed === true },
    lost: { names: () => objects.lost === true },
  })
  return observed ? decide(observed, nowMs) : { actions: [], waits: [] }
}

/** The status that is written of the usual Module. */
export function reportStatus(objects: ClusterObjects): ModuleStatus {
  const action = decideReport(objects).actions.find(({ type }) => type === 'writeStatus')
  if (action?.type !== 'writeStatus') throw new Error('no status is written')
  return action.status
}

/** One condition of the status that is written. */
export function reportCondition(objects: ClusterObjects, type: string): Partial<Condition> {
  const found = reportStatus(objects).conditions?.find((condition) => condition.type === type)
  if (found === undefined) throw new Error(`no condition ${type}`)
  return { status: found.status, reason: found.reason, message: found.message }
}
