import { join } from 'node:path'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Module } from '../../../src/api/module.ts'
import { type OperatorProcess, startOperatorProcess } from '../../../src/cli/demo/operator-process.ts'
import { namespaces } from '../../../src/kube/core-resources.ts'
import { exampleLayer } from '../../conformance/kernel/images.ts'
import { moduleResource } from '../../scenario/view.ts'
import { pauseImage } from './images.ts'
import { KubeletCluster } from './kubelet-cluster.ts'
import type { KubeletNode } from './kubelet-node.ts'

let cluster: KubeletCluster
let node: KubeletNode
let operator: OperatorProcess | undefined

const namespace = 'kmm-ci'
const key = { namespace, name: 'kmm-ci' }
const readyLabel = 'kmm.node.kubernetes.io/kmm-ci.kmm-ci.ready'
const targetLabel = 'kmm.node.kubernetes.io/kmm-ci.kmm-ci.device-plugin-target'

beforeAll(async () => {
  cluster = await KubeletCluster.start()
  node = await cluster.openNode({ name: 'n1' })
})

afterAll(async () => {
  await operator?.stop()
  await cluster?.stop()
})

const lsmod = async (): Promise<string[]> => {
  const printed = await node.machine.runChecked(['lsmod'])
  return printed.split('\n').map((line) => line.split(' ')[0] ?? '')
}

const labels = (): Record<string, string> => cluster.view.nodes.get({ name: 'n1' })?.metadata?.labels ?? {}

const isPlugin = ({ metadata }: Pod): boolean => metadata?.labels?.['kmm.node.kubernetes.io/role'] === 'device-plugin'

const listPlugins = (): Pod[] => cluster.view.pods.list().filter(isPlugin)

const isPodReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false

/** What is process 1 of its container ends at SIGTERM only if it says so itself. */
const sleepUntilTold = ['/bin/busybox', 'sh', '-c', 'trap "exit 0" TERM; /bin/busybox sleep inf & wait']

/** As upstream's own continuous integration asks for it, but for build and sign: two modules in an order, one in-tree away. */
const makeModule = (image: string): Module => ({
  apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
  kind: 'Module',
  metadata: key,
  spec: {
    selector: { 'kubernetes.io/hostname': 'n1' },
    moduleLoader: {
      container: {
        modprobe: { moduleName: 'kmm_demo_crc', modulesLoadingOrder: ['kmm_demo_crc', 'kmm_demo_dev'] },
        inTreeModulesToRemove: ['dummy'],
        registryTLS: { insecure: true },
        kernelMappings: [{ regexp: '^.+$', containerImage: image }],
      },
    },
    devicePlugin: { container: { image: pauseImage, command: sleepUntilTold } },
  },
})

test("upstream's first scenario passes: both modules and the device plugin come, and the in-tree one goes; all go with the Module", async () => {
  operator = startOperatorProcess({
    program: 'dist/kmm.js',
    kubeconfigPath: cluster.sandbox.kubeconfigPath,
    workerImage: cluster.workerImage,
    namespace: 'kmm-operator-system',
    logPath: join(cluster.sandbox.folder, 'operator.log'),
  })
  operator.ended.catch(() => undefined)
  const privileged = { 'pod-security.kubernetes.io/enforce': 'privileged' }
  await cluster.client.create(namespaces, { metadata: { name: namespace, labels: privileged } })
  await node.modprobe(['dummy'])
  const before = await lsmod()
  expect(before).toContain('dummy')
  expect(before).not.toContain('kmm_demo_crc')
  expect(before).not.toContain('kmm_demo_dev')

  const layers = [await exampleLayer('prebuilt-more', node.machine.release)]
  const { image } = await cluster.registry.push({ repository: 'kmm-ci', tag: '1', layers })
  const order: string[] = []
  cluster.view.nodes.onChange(({ after }) => {
    if (after?.metadata?.labels?.[readyLabel] === '') order.push('label')
  })
  cluster.view.pods.onChange(({ after }) => {
    if (after && isPlugin(after)) order.push('plugin')
  })
  await cluster.client.create(moduleResource, makeModule(image))
  await cluster.until('both modules in the kernel', async () => {
    const now = await lsmod()
    return now.includes('kmm_demo_crc') && now.includes('kmm_demo_dev')
  })
  expect(await lsmod()).not.toContain('dummy')
  await cluster.until('the ready label', () => labels()[readyLabel] === '')
  await cluster.until('the device plugin', () => listPlugins().some(isPodReady) && labels()[targetLabel] === '')
  expect([...new Set(order)]).toEqual(['label', 'plugin'])
  const availability = () => cluster.view.modules.get(key)?.status
  await cluster.until('the counts', () => availability()?.devicePlugin?.availableNumber === 1)
  expect(availability()).toMatchObject({ moduleLoader: { desiredNumber: 1, availableNumber: 1 } })

  await cluster.client.delete(moduleResource, key)
  const left = { whenUnloaded: -1 }
  await cluster.until('both modules out of the kernel', async () => {
    const now = await lsmod()
    const isGone = !now.includes('kmm_demo_crc') && !now.includes('kmm_demo_dev')
    if (isGone) left.whenUnloaded = listPlugins().filter(isPodReady).length
    return isGone
  })
  expect(left.whenUnloaded).toBe(0)
  await cluster.until('the Module is gone', () => cluster.view.modules.get(key) === undefined)
  await cluster.until('the labels are gone', () => !(readyLabel in labels()) && !(targetLabel in labels()))
  await cluster.until('no pod is left', () =>
    cluster.view.pods.list().every((pod) => pod.metadata?.namespace !== namespace),
  )
})
