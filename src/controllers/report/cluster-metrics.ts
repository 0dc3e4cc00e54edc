import type { Module } from '../../api/module.ts'
import { resourceTypeLabel } from '../../api/labels.ts'
import { imagePhases } from '../../api/module-images-config.ts'
import type { GaugeReader, Metrics } from '../../runtime/metrics.ts'
import { type Caches, podsByJobType } from '../cluster/caches.ts'
import { findPreflight } from '../cluster/images-config.ts'
import type { PodView } from '../cluster/pod-view.ts'
import { jobTypes } from '../images/job/job.ts'

type Value = ReturnType<GaugeReader['read']> extends Iterable<infer T> ? T : never

const podPhases = ['Pending', 'Running', 'Succeeded', 'Failed'] as const

/** True when the container or one of its mappings has the field. */
function asksFor({ spec }: Module, field: 'build' | 'sign'): boolean {
  const container = spec?.moduleLoader?.container
  return [container, ...(container?.kernelMappings ?? [])].some((each) => each?.[field] !== undefined)
}

const listPresent = ({ modules }: Caches): Module[] =>
  modules.list().filter(({ metadata }) => metadata.deletionTimestamp === undefined)

/** Upstream's gauges of Modules; those that are being deleted do not count. */
function listModuleGauges(caches: Caches): GaugeReader[] {
  const gauge = (name: string, help: string, counts: (module: Module) => boolean): GaugeReader => ({
    name,
    help,
    labelNames: [],
    read: () => [{ labels: {}, value: listPresent(caches).filter(counts).length }],
  })
  return [
    gauge('kmm_module_num', 'Modules', () => true),
    gauge('kmm_in_cluster_build_num', 'Modules with a build', (module) => asksFor(module, 'build')),
    gauge('kmm_in_cluster_sign_num', 'Modules with a signing', (module) => asksFor(module, 'sign')),
    {
      name: 'kmm_preflight_num',
      help: 'PreflightValidations',
      labelNames: [],
      read: () => [{ labels: {}, value: caches.preflightValidations.list().length }],
    },
    gauge('kmm_device_plugin_num', 'Modules with a device plugin', ({ spec }) => spec?.devicePlugin !== undefined),
    {
      name: 'kmm_modprobe_args',
      help: 'Arguments with which Modules are loaded',
      labelNames: ['name', 'namespace', 'modprobeArgs'],
      read: () => listLoadArguments(caches),
    },
  ]
}

function* listLoadArguments(caches: Caches): Iterable<Value> {
  for (const { metadata, spec } of listPresent(caches)) {
    const { load } = spec?.moduleLoader?.container.modprobe?.args ?? {}
    const { name, namespace } = metadata
    if (load) yield { labels: { name, namespace, modprobeArgs: load.join(',') }, value: 1 }
  }
}

/** How many there are of each combination of labels; those that nothing has are zero. */
function countBy<T>(
  items: Iterable<T>,
  all: readonly Value['labels'][],
  labelsOf: (item: T) => Value['labels'],
): Value[] {
  const values = new Map(all.map((labels) => [JSON.stringify(labels), { labels, value: 0 }]))
  for (const item of items) {
    const found = values.get(JSON.stringify(labelsOf(item)))
    if (found) found.value += 1
  }
  return [...values.values()]
}

/** The kind of a build or sign pod; undefined for other pods. */
const jobTypeOf = ({ labels }: PodView): string | undefined =>
  jobTypes.find((type) => type === labels[resourceTypeLabel])

function* listImages({ moduleImagesConfigs }: Caches): Iterable<{ phase: string }> {
  for (const config of moduleImagesConfigs.list()) {
    // A preflight asks about kernels that no node has.
    if (findPreflight(config) !== undefined) continue
    const { spec, status } = config
    const phases = new Map(status?.images?.map(({ image, phase }) => [image, phase]))
    for (const { image } of spec?.images ?? []) yield { phase: phases.get(image) ?? 'Unknown' }
  }
}

function listImageGauges(caches: Caches): GaugeReader[] {
  return [
    {
      name: 'kmm_images',
      help: 'Images that Modules ask for, by phase',
      labelNames: ['phase'],
      read: () =>
        countBy(
          listImages(caches),
          imagePhases.map((phase) => ({ phase })),
          ({ phase }) => ({ phase }),
        ),
    },
    {
      name: 'kmm_image_jobs',
      help: 'Build and sign pods, by kind and phase',
      labelNames: ['type', 'phase'],
      read: () =>
        countBy(
          jobTypes.flatMap((type) => caches.pods.byIndex(podsByJobType, type)),
          jobTypes.flatMap((type) => podPhases.map((phase) => ({ type, phase }))),
          (pod) => ({ type: jobTypeOf(pod) ?? '', phase: pod.phase }),
        ),
    },
  ]
}

/** Shows what the caches say of Modules and images (upstream: KMM metrics; the gauges of images are KMM's own). Only for the leader: else replicas would count double. */
export function watchClusterMetrics(caches: Caches, metrics: Metrics): void {
  for (const gauge of [...listModuleGauges(caches), ...listImageGauges(caches)]) metrics.watchGauge(gauge)
  caches.pods.onChange(({ before, after }) => {
    if (after?.phase !== 'Failed' || before === undefined || before.phase === 'Failed') return
    const type = jobTypeOf(after)
    if (type !== undefined) metrics.jobFailed(type)
  })
}
