import { describe, expect, it } from 'vitest'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { fillCaches } from '../../../test/builders/caches.ts'
import { anyKernel, buildModule, buildPluginModule, markDeleted } from '../../../test/builders/module.ts'
import { buildAsked, buildPreflight } from '../../../test/builders/preflight.ts'
import { buildImages } from '../../../test/builders/report.ts'
import { createMetrics } from '../../runtime/metrics.ts'
import { watchClusterMetrics } from './cluster-metrics.ts'

const build = { dockerfileConfigMap: { name: 'dockerfile' } }
const sign = { keySecret: { name: 'key' }, certSecret: { name: 'cert' } }

function buildJob(phase: string, resourceVersion = '1', type = 'BuildImage'): Pod {
  return {
    metadata: {
      namespace: 'ns',
      name: 'mod-build-1',
      uid: 'uid-job',
      resourceVersion,
      labels: { 'kmm.node.kubernetes.io/module.name': 'mod', 'kmm.node.kubernetes.io/resource-type': type },
    },
    spec: { containers: [{ name: 'build', image: 'registry.test/builder' }] },
    status: { phase },
  }
}

/** The lines of KMM's own metrics whose value is not zero. */
async function read(metrics: ReturnType<typeof createMetrics>): Promise<string[]> {
  const text = await metrics.registry.metrics()
  return text.split('\n').filter((line) => line.startsWith('kmm_') && !line.endsWith(' 0'))
}

describe('the metrics of a cluster', () => {
  it('count Modules as upstream does, without those that are being deleted', async () => {
    const kernelMappings = [{ ...anyKernel, build, sign }]
    const modules = [
      buildModule({ name: 'a', container: { build, modprobe: { moduleName: 'a', args: { load: ['-v', '-f'] } } } }),
      buildModule({ name: 'b', container: { kernelMappings } }),
      buildPluginModule({}, { name: 'c' }),
      markDeleted(buildModule({ name: 'd', container: { build } })),
    ]
    const metrics = createMetrics()
    watchClusterMetrics(fillCaches({ modules }), metrics)
    expect(await read(metrics)).toEqual([
      'kmm_module_num 3',
      'kmm_in_cluster_build_num 2',
      'kmm_in_cluster_sign_num 1',
      'kmm_device_plugin_num 1',
      'kmm_modprobe_args{name="a",namespace="ns",modprobeArgs="-v,-f"} 1',
    ])
  })

  it('count PreflightValidations, and leave the images that they ask about to them', async () => {
    const preflight = buildPreflight()
    const modules = [buildModule()]
    const caches = fillCaches({
      preflightValidations: [preflight],
      moduleImagesConfigs: [buildAsked({ preflight, modules }, { phase: 'Missing' })],
    })
    const metrics = createMetrics()
    watchClusterMetrics(caches, metrics)
    expect(await read(metrics)).toEqual(['kmm_preflight_num 1'])
    caches.preflightValidations.deleted({ name: 'next' }, preflight.metadata.uid)
    expect(await read(metrics)).toEqual([])
  })

  it('count images by phase, and build and sign pods by theirs, as they are at the moment', async () => {
    const images = buildImages({ phase: 'Building' })
    images.spec = { images: [...(images.spec?.images ?? []), { image: 'registry.test/new', kernelVersion: '6.2.0' }] }
    const caches = fillCaches({ moduleImagesConfigs: [images], pods: [buildJob('Running')] })
    const metrics = createMetrics()
    watchClusterMetrics(caches, metrics)
    expect(await read(metrics)).toEqual([
      'kmm_images{phase="Unknown"} 1',
      'kmm_images{phase="Building"} 1',
      'kmm_image_jobs{type="BuildImage",phase="Running"} 1',
    ])
    caches.pods.written(buildJob('Succeeded', '2'))
    expect(await read(metrics)).toContain('kmm_image_jobs{type="BuildImage",phase="Succeeded"} 1')
  })

  it('count a pod that fails once, and no label that somebody made up', async () => {
    const caches = fillCaches({ pods: [buildJob('Running')] })
    const metrics = createMetrics()
    watchClusterMetrics(caches, metrics)
    caches.pods.written(buildJob('Failed', '2'))
    caches.pods.written(buildJob('Failed', '3'))
    caches.pods.written(buildJob('Failed', '4', 'MakeMischief'))
    expect(await read(metrics)).toEqual(['kmm_image_job_failures_total{type="BuildImage"} 1'])
  })
})
