import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterEach, expect, it } from 'vitest'
import { moduleNameLabel, resourceTypeLabel, targetKernelLabel } from '../../src/api/labels.ts'
import { configMaps, pods } from '../../src/kube/core-resources.ts'
import { Cluster, demoModule, exampleFiles, kernel56 } from './cluster.ts'

let cluster: Cluster
afterEach(() => cluster.stop())

const upstreamFinalizers = ['kmm.node.kubernetes.io/gc-delay', 'kmm.node.kubernetes.io/job-event-finalizer']

/** A build pod as the Go operator makes it; its owner, an object of a kind that this operator does not use, is still there. */
const upstreamPod = (): Pod => ({
  metadata: {
    name: 'demo-build-6-1-0-56-amd64',
    namespace: 'demo',
    labels: {
      [moduleNameLabel]: 'demo',
      [resourceTypeLabel]: 'BuildImage',
      [targetKernelLabel]: '6-1-0-56-amd64',
      'app.kubernetes.io/name': 'kmm',
    },
    annotations: { 'kmm.node.kubernetes.io/last-hash': '1234567890' },
    finalizers: upstreamFinalizers,
    ownerReferences: [
      {
        apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
        kind: 'ModuleBuildSignConfig',
        name: 'demo',
        uid: '7c4cf6a1-5e1c-4b1d-9d5a-000000000000',
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  },
  spec: { restartPolicy: 'Never', containers: [{ name: 'kaniko', image: 'kaniko.example/executor:v1' }] },
})

it('waits for a build of the Go operator, uses what it pushed, and takes its finalizers off', async () => {
  cluster = await Cluster.startEmbedded()
  await cluster.createNamespace()
  const { client, rules } = cluster.sandbox
  rules.add({ match: { namespace: 'demo', name: '^demo-build-' }, behaviour: { do: 'hang' } })
  await client.create(pods, upstreamPod())
  const data = { dockerfile: 'FROM scratch' }
  await client.create(configMaps, { metadata: { namespace: 'demo', name: 'dockerfile' }, data })
  await cluster.startOperator()
  const image = cluster.image('built')
  await cluster.createModule(
    demoModule(image, ({ spec }) => {
      Object.assign(spec?.moduleLoader?.container ?? {}, { build: { dockerfileConfigMap: { name: 'dockerfile' } } })
    }),
  )
  await cluster.until('it waits its turn', () => cluster.condition('ImagesReady')?.reason === 'JobQueued')
  expect(cluster.view.pods.list()).toHaveLength(1)
  // It ends, and has pushed.
  await cluster.push('built', await exampleFiles(kernel56))
  await client.patch(
    pods,
    { namespace: 'demo', name: 'demo-build-6-1-0-56-amd64' },
    { type: 'merge', body: { status: { phase: 'Succeeded' } } },
    { subresource: 'status' },
  )
  await cluster.until('loaded', () => cluster.isReady())
  await cluster.until('nothing is left of it', () => cluster.view.pods.list().length === 0)
  expect(cluster.sandbox.writes.filter(({ verb, resource }) => verb === 'create' && resource === 'pods')).toHaveLength(
    2,
  )
})
