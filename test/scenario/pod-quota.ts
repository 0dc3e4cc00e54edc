import type { ResourceQuota } from 'kubernetes-types/core/v1.js'
import { defineResource } from '../../src/kube/resource.ts'
import type { Scene } from './scene.ts'

const resourceQuotas = defineResource<ResourceQuota>({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  namespaced: true,
})

/** Allows no pods in a scene's namespace. Answers with what raises the quota. */
export async function forbidPods(scene: Scene): Promise<(pods: number) => Promise<unknown>> {
  const { client } = scene.cluster.sandbox
  const key = { namespace: scene.name, name: 'few' }
  await client.create(resourceQuotas, { metadata: key, spec: { hard: { pods: '0' } } })
  return (pods) =>
    client.patch(resourceQuotas, key, { type: 'merge', body: { spec: { hard: { pods: String(pods) } } } })
}
