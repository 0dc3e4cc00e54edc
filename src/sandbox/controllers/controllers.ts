import { randomBytes } from 'node:crypto'
import type { WritePipeline } from '../apiserver/pipeline.ts'
import type { Registry } from '../apiserver/registry.ts'
import { noSuchResource } from '../apiserver/status-error.ts'
import type { Store } from '../apiserver/store.ts'
import type { Controller, ControllerContext } from './controller.ts'
import { startDaemonSets } from './daemon-set.ts'
import { startGarbageCollector } from './garbage-collector.ts'
import { startNamespaceDeletion } from './namespace-deletion.ts'
import { startNodeLifecycle, type NodeLifecycleOptions } from './node-lifecycle.ts'
import { startPodEviction } from './pod-eviction.ts'
import { startPodGc, type PodGcOptions } from './pod-gc.ts'
import { startPodsOfSilentNodes } from './pods-of-silent-nodes.ts'
import { startQuotaStatus } from './quota-status.ts'
import { startScheduler } from './scheduler.ts'
import { startServiceAccounts } from './service-accounts.ts'
import { systemTimers, type Timers } from './timers.ts'

/** The parts of the API server that the controllers work with; an ApiServer has them. */
export interface ControlledServer {
  store: Store
  registry: Registry
  pipeline: WritePipeline
  /** PEM for the ConfigMap that pods find the cluster's certificate in. */
  certificate: string | undefined
}

/** How the emulated controller-manager and scheduler behave. */
export interface ControllersOptions extends NodeLifecycleOptions, PodGcOptions {
  timers?: Timers
  /** The pause before a failed daemon pod is deleted, which doubles each time; 1 s as in a real cluster unless said otherwise. */
  failedPodDelayMs?: number
}

const letters = 'bcdfghjklmnpqrstvwxz2456789'

function newSuffix(): string {
  return [...randomBytes(5)].map((byte) => letters[byte % letters.length]).join('')
}

function createThrough({ registry, pipeline }: ControlledServer): ControllerContext['create'] {
  const context = {
    user: { name: 'system:kube-controller-manager', groups: ['system:authenticated'] },
    userAgent: 'kube-controller-manager',
    dryRun: false,
    fieldValidation: 'Ignore' as const,
    options: {},
    warn: (): void => {},
  }
  return (resource, object) => {
    const served = registry.findStored(resource)
    if (served === undefined) throw noSuchResource()
    return pipeline.create(served, object, context)
  }
}

/** Starts the emulated controller-manager and scheduler, after the server and before its first client. */
export function startControllers(server: ControlledServer, options: ControllersOptions = {}): Controller {
  const { store } = server
  const context = { store, timers: options.timers ?? systemTimers, create: createThrough(server) }
  const { failedPodDelayMs } = options
  const controllers = [
    startServiceAccounts({ store, caCertificate: server.certificate ?? '' }),
    startNamespaceDeletion(context),
    startGarbageCollector(context),
    startNodeLifecycle(context, options),
    startScheduler(context),
    startDaemonSets(context, { newSuffix, ...(failedPodDelayMs === undefined ? {} : { failedPodDelayMs }) }),
    startPodEviction(context),
    startPodGc(context, options),
    startPodsOfSilentNodes(context),
    startQuotaStatus(context),
  ]
  const drained = async (): Promise<void> => {
    // What one of them does may be work for another.
    for (let before = -1; before !== store.resourceVersion; ) {
      before = store.resourceVersion
      for (const controller of controllers) await controller.drained()
    }
  }
  const stop = async (): Promise<void> => {
    await Promise.all(controllers.map((controller) => controller.stop()))
  }
  return { drained, stop }
}
