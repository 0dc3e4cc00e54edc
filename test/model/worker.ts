import { parse } from 'yaml'
import { workerConfigAnnotation } from '../../src/api/annotations.ts'
import { moduleNameLabel, moduleNamespaceLabel, workerActionLabel } from '../../src/api/labels.ts'
import type { ModuleConfig } from '../../src/api/node-modules-config.ts'
import { formatWorkerReport } from '../../src/api/worker-report.ts'
import type { ReportReason } from '../../src/errors/reason.ts'
import type { ApiObject } from '../../src/sandbox/apiserver/object.ts'
import type { Chance } from './chance.ts'
import type { ModelKernel } from './kernel.ts'
import type { ModelRegistry } from './registry.ts'

/** What a worker pod is to do, as its annotations and labels say. */
export interface Task {
  action: 'Load' | 'Unload'
  /** `namespace/name` of the Module. */
  owner: string
  config: ModuleConfig
}

/** How a container ended. */
export interface End {
  exitCode: number
  message: string
}

/** What a worker meets on its machine. */
export interface Bench {
  kernel: ModelKernel
  registry: ModelRegistry
  chance: Chance
  nowMs: number
  /** True while something uses the kernel module. */
  isBusy(kernelModule: string, owner: string): boolean
  /** Told of what a worker is about to do to the kernel. */
  onEffect(task: Task): void
}

const parsed = new Map<string, ModuleConfig>()

function readConfig(text: string): ModuleConfig {
  const known = parsed.get(text)
  if (known) return known
  const config = parse(text) as ModuleConfig
  if (parsed.size > 2_000) parsed.clear()
  parsed.set(text, config)
  return config
}

/** Reads the task of a worker pod; undefined for any other pod. */
export function readTask({ metadata }: ApiObject): Task | undefined {
  const { labels = {}, annotations = {}, namespace = '' } = metadata
  const action = labels[workerActionLabel]
  if (action !== 'Load' && action !== 'Unload') return undefined
  const owner = `${labels[moduleNamespaceLabel] ?? namespace}/${labels[moduleNameLabel] ?? ''}`
  return { action, owner, config: readConfig(annotations[workerConfigAnnotation] ?? '') }
}

function report(task: Task, { kernel }: Bench, reason: ReportReason, alreadyLoaded = false): End {
  const isDone = reason === 'Loaded' || reason === 'Unloaded'
  const message = formatWorkerReport({
    v: 1,
    bootID: kernel.bootId,
    kernel: kernel.release,
    action: task.action === 'Load' ? 'load' : 'unload',
    outcome: isDone ? 'ok' : 'failed',
    alreadyLoaded,
    reason,
    message: `${task.config.modprobe.moduleName ?? ''}: ${reason}`,
    modules: [],
    durationsMs: {},
  })
  return { exitCode: isDone ? 0 : 1, message }
}

/** What a worker that was told to stop, or was killed, leaves: no report. */
export const killed: End = { exitCode: 143, message: '' }

/** Fetches the image; answers its digest, or how the worker ends without it. */
export function fetchImage(task: Task, bench: Bench): string | End {
  const { config } = task
  if (config.kernelVersion !== bench.kernel.release) return report(task, bench, 'KernelMismatch')
  if (!bench.registry.reachable) return report(task, bench, 'RegistryUnreachable')
  const digest = bench.registry.find(config.containerImage)
  if (digest === undefined) return report(task, bench, 'ImageNotFound')
  // The plan's digest stays there when its name is moved.
  return config.imageDigest ?? digest
}

/** What modprobe does for a load. */
export function insert(task: Task, digest: string, bench: Bench): End {
  const { modprobe, containerImage } = task.config
  const name = modprobe.moduleName ?? ''
  const present = bench.kernel.modules.get(name)
  bench.onEffect(task)
  if (present?.digest === digest) return report(task, bench, 'Loaded', true)
  if (present !== undefined) return report(task, bench, 'OtherVersionLoaded')
  const { parameters = [] } = modprobe
  const { owner } = task
  bench.kernel.modules.set(name, { name, owner, image: containerImage, digest, parameters, atMs: bench.nowMs })
  // The process may die after its work, before it can tell.
  return bench.chance.happens(0.03) ? { exitCode: 137, message: '' } : report(task, bench, 'Loaded')
}

/** What modprobe does for an unload; it needs no image. */
export function remove(task: Task, bench: Bench): End {
  const name = task.config.modprobe.moduleName ?? ''
  if (!bench.kernel.modules.has(name)) return report(task, bench, 'Unloaded')
  bench.onEffect(task)
  if (bench.isBusy(name, task.owner)) return report(task, bench, 'ModuleInUse')
  bench.kernel.modules.delete(name)
  return bench.chance.happens(0.03) ? { exitCode: 137, message: '' } : report(task, bench, 'Unloaded')
}

/** A failure that has nothing to do with the module. */
export const failForNoReason = (task: Task, bench: Bench): End => report(task, bench, 'Unknown')
