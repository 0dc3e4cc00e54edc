import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterEach, expect, it } from 'vitest'
import { stringify } from 'yaml'
import type { Module } from '../../src/api/module.ts'
import type { ModuleImagesConfig } from '../../src/api/module-images-config.ts'
import type { ModuleConfig, NodeModuleItem } from '../../src/api/node-modules-config.ts'
import { daemonSets, nodes, pods, secrets } from '../../src/kube/core-resources.ts'
import { Cluster, demoModule, kernel56, micResource, moduleResource, nmcResource } from './cluster.ts'

let cluster: Cluster
afterEach(() => cluster.stop())

const tolerations = ['disk-pressure', 'memory-pressure', 'pid-pressure'].map((name) => ({
  key: `node.kubernetes.io/${name}`,
  operator: 'Exists',
  effect: 'NoSchedule',
}))

/** A Module as a Go client writes it. */
const upstreamModule = (image: string, name = 'demo', moduleName = 'kmm_demo'): Module =>
  demoModule(image, (module) => {
    module.metadata.name = name
    module.metadata.finalizers = ['kmm.node.kubernetes.io/module-finalizer']
    const zeros = { build: null, sign: null, literal: '', inTreeModuleToRemove: '', inTreeModulesToRemove: null }
    Object.assign(module.spec?.moduleLoader?.container ?? {}, {
      modprobe: { moduleName, dirName: '/opt', rawArgs: null, args: null },
      imagePullPolicy: '',
      inTreeModuleToRemove: '',
      inTreeModulesToRemove: null,
      version: '',
      kernelMappings: [{ ...zeros, regexp: '^.+$', containerImage: image, registryTLS: null }],
    })
  })

/** The configuration as the Go operator writes it into the plan, the status and its worker pods. */
const upstreamConfig = (image: string, moduleName: string): ModuleConfig => ({
  containerImage: image,
  imagePullPolicy: '',
  insecurePull: true,
  kernelVersion: kernel56,
  modprobe: { dirName: '/opt', moduleName },
})

const upstreamItem = (image: string, name = 'demo', moduleName = 'kmm_demo'): NodeModuleItem => ({
  namespace: 'demo',
  name,
  serviceAccountName: 'default',
  config: upstreamConfig(image, moduleName),
  tolerations,
})

const upstreamImages = (image: string, name: string): ModuleImagesConfig => ({
  apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
  kind: 'ModuleImagesConfig',
  metadata: { namespace: 'demo', name },
  spec: {
    images: [{ image, kernelVersion: kernel56, dirName: '/opt', registryTLS: { insecure: true } }],
    imagePullPolicy: '',
    pushBuiltImage: false,
  },
})

const pluginLabels = { 'kmm.node.kubernetes.io/module.name': 'demo', 'kmm.node.kubernetes.io/role': 'device-plugin' }
const readyLabel = 'kmm.node.kubernetes.io/demo.demo.ready'
const targetLabel = 'kmm.node.kubernetes.io/demo.demo.device-plugin-target'
const pluginReadyLabel = 'kmm.node.kubernetes.io/demo.demo.device-plugin-ready'
const pluginPath = '/var/lib/kubelet/device-plugins'

/** The device plugin's DaemonSet as the Go operator makes it, under a generated name. */
const upstreamDaemonSet = (uid: string): DaemonSet => ({
  metadata: {
    generateName: 'demo-device-plugin-',
    namespace: 'demo',
    labels: pluginLabels,
    ownerReferences: [
      {
        apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
        kind: 'Module',
        name: 'demo',
        uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  },
  spec: {
    selector: { matchLabels: pluginLabels },
    template: {
      metadata: { labels: pluginLabels, finalizers: ['kmm.node.kubernetes.io/node-labeler'] },
      spec: {
        priorityClassName: 'system-node-critical',
        nodeSelector: { [readyLabel]: '', [targetLabel]: '' },
        containers: [
          {
            name: 'device-plugin',
            image: 'registry.example/plugin:1',
            securityContext: { privileged: true },
            volumeMounts: [{ name: 'kubelet-device-plugins', mountPath: pluginPath }],
          },
        ],
        volumes: [{ name: 'kubelet-device-plugins', hostPath: { path: pluginPath, type: 'Directory' } }],
      },
    },
  },
})

/** A worker pod of the Go operator that has loaded a module; the operator went before it read that. */
function upstreamWorker(image: string, owner: { name: string; uid: string }): Pod {
  return {
    metadata: {
      name: 'kmm-worker-n1-late',
      namespace: 'demo',
      labels: {
        'app.kubernetes.io/name': 'kmm',
        'kmm.node.kubernetes.io/module.name': 'late',
        'kmm.node.kubernetes.io/worker-action': 'Load',
      },
      annotations: {
        'kmm.node.kubernetes.io/worker-config': stringify(upstreamConfig(image, 'kmm_demo_fw')),
        'kmm.node.kubernetes.io/worker-tolerations': stringify(tolerations),
        'kmm.node.kubernetes.io/worker-hash': '12345678901234567890',
      },
      finalizers: ['kmm.node.kubernetes.io/nodemodulesconfig-reconciler'],
      ownerReferences: [
        { apiVersion: 'kmm.sigs.x-k8s.io/v1beta1', kind: 'NodeModulesConfig', controller: true, ...owner },
      ],
    },
    spec: {
      nodeName: 'n1',
      restartPolicy: 'OnFailure',
      serviceAccountName: 'default',
      containers: [{ name: 'worker', image: 'registry.example/upstream-worker:1' }],
    },
  }
}

/** Loads kmm_demo, and leaves the cluster without an operator and without a trace of KMM but what is in the kernel. */
async function loadAndForget(): Promise<string> {
  const stop = await cluster.startOperator()
  await cluster.createNamespace()
  const image = await cluster.push(kernel56)
  await cluster.createModule(demoModule(image))
  await cluster.until('the Module is ready', () => cluster.condition('Ready')?.status === 'True')
  await cluster.until('its worker pod is deleted', () => cluster.operatorWrites().includes('delete pods'))
  await cluster.until('no worker pod is left', () => cluster.view.pods.list().length === 0)
  await stop()
  const { client } = cluster.sandbox
  const key = { namespace: 'demo', name: 'demo' }
  await client.patch(moduleResource, key, { type: 'merge', body: { metadata: { finalizers: null } } })
  await cluster.deleteModule()
  await client.delete(nmcResource, { name: 'n1' })
  for (const { metadata } of (await client.list(secrets, {})).items)
    await client.delete(secrets, { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' })
  await cluster.until(
    'nothing is left',
    () => !cluster.module() && !cluster.nmc() && !cluster.view.images.list().length,
  )
  return image
}

/** Writes what the Go operator would have written for the module in the kernel. */
async function writeAsUpstream(image: string): Promise<void> {
  const { client } = cluster.sandbox
  const module = upstreamModule(image)
  if (module.spec) module.spec.devicePlugin = { container: { image: 'registry.example/plugin:1' } }
  const { metadata } = await client.create(moduleResource, module)
  const counts = { nodesMatchingSelectorNumber: 1, desiredNumber: 1, availableNumber: 1 }
  const status = { moduleLoader: counts, devicePlugin: counts, dra: {} }
  const patch = { type: 'merge' as const, body: { status } }
  await client.patch(moduleResource, { namespace: 'demo', name: 'demo' }, patch, { subresource: 'status' })
  await client.patch(nodes, { name: 'n1' }, { type: 'merge', body: { metadata: { labels: { [targetLabel]: '' } } } })
  await client.create(daemonSets, upstreamDaemonSet(metadata.uid ?? ''))
  const isPluginReady = (pod: Pod): boolean =>
    pod.status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true
  await cluster.until('the plugin', () => cluster.view.pods.list().some(isPluginReady))
  const labels = { [pluginReadyLabel]: '' }
  await client.patch(nodes, { name: 'n1' }, { type: 'merge', body: { metadata: { labels } } })
}

async function writeConfig(items: NodeModuleItem[], loaded: NodeModuleItem[]): Promise<{ name: string; uid: string }> {
  const { client } = cluster.sandbox
  const labels = Object.fromEntries(
    items.flatMap(({ name }) =>
      ['configured', 'in-use'].map((what) => [`beta.kmm.node.kubernetes.io/demo.${name}.module-${what}`, '']),
    ),
  )
  const owner = {
    apiVersion: 'v1',
    kind: 'Node',
    name: 'n1',
    uid: cluster.view.nodes.get({ name: 'n1' })?.metadata?.uid ?? '',
  }
  const { metadata } = await client.create(nmcResource, {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'NodeModulesConfig',
    metadata: { name: 'n1', labels, ownerReferences: [owner] },
    spec: { modules: items },
  })
  const bootId = cluster.kernel().bootId
  const status = { modules: loaded.map((item) => ({ ...item, bootId })) }
  const patch = { type: 'merge' as const, body: { status } }
  await client.patch(nmcResource, { name: 'n1' }, patch, { subresource: 'status' })
  return { name: metadata.name, uid: metadata.uid ?? '' }
}

async function writeImages(image: string, name: string): Promise<void> {
  const { client } = cluster.sandbox
  await client.create(micResource, upstreamImages(image, name))
  const patch = { type: 'merge' as const, body: { status: { imagesStates: [{ image, status: 'Exists' }] } } }
  await client.patch(micResource, { namespace: 'demo', name }, patch, { subresource: 'status' })
}

it('takes over from the Go operator without unloading, loading or relabelling anything', async () => {
  cluster = await Cluster.start()
  const image = await loadAndForget()
  await writeAsUpstream(image)
  await writeConfig([upstreamItem(image)], [upstreamItem(image)])
  await writeImages(image, 'demo')
  await cluster.quiet()
  const history = cluster.kernel().history
  const isLabelled = (): boolean => [readyLabel, targetLabel, pluginReadyLabel].every((key) => key in cluster.labels())
  await cluster.until('the labels of the node', isLabelled)
  const labels = cluster.labels()
  const [daemonSet] = (await cluster.sandbox.client.list(daemonSets, {})).items
  const from = cluster.sandbox.writes.length
  await cluster.startOperator()
  await cluster.until('the Module is ready', () => cluster.condition('Ready')?.status === 'True')
  await cluster.quiet(1_500)
  const writes = cluster.operatorWrites(from)
  expect(writes.filter((write) => /pods|nodes$|daemonsets|serviceaccounts/.test(write))).toEqual([])
  expect(cluster.kernel().history).toEqual(history)
  expect(cluster.labels()).toEqual(labels)
  const after = (await cluster.sandbox.client.list(daemonSets, {})).items
  expect(
    after.map(({ metadata, spec }) => [metadata?.name, metadata?.generation, metadata?.annotations, spec]),
  ).toEqual([
    [daemonSet?.metadata?.name, daemonSet?.metadata?.generation, daemonSet?.metadata?.annotations, daemonSet?.spec],
  ])
})

it('reads the result of a worker that the Go operator has left, and lets go of its pod', async () => {
  cluster = await Cluster.start()
  const image = await loadAndForget()
  const { client, rules } = cluster.sandbox
  rules.add({ match: { image: 'upstream-worker' }, behaviour: { do: 'succeed' } })
  const late = upstreamItem(image, 'late', 'kmm_demo_fw')
  await client.create(moduleResource, upstreamModule(image, 'late', 'kmm_demo_fw'))
  await writeImages(image, 'late')
  const owner = await writeConfig([late], [])
  await client.create(pods, upstreamWorker(image, owner))
  await cluster.until('its worker is done', () => cluster.view.pods.list()[0]?.status?.phase === 'Succeeded')
  const history = cluster.kernel().history
  await cluster.startOperator()
  await cluster.until('the label', () => cluster.isReady('n1', 'late'))
  await cluster.until('the pod is gone', () => cluster.view.pods.list().length === 0)
  await cluster.until('the Module is ready', () => cluster.condition('Ready', 'late')?.status === 'True')
  expect(cluster.kernel().history).toEqual(history)
})
