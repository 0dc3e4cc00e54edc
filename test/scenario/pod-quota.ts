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

/** A quota limits nothing before somebody has reckoned up what it is about. */
const isReckoned = ({ status }: ResourceQuota): boolean =>
  status?.hard?.['pods'] !== undefined && status.used?.['pods'] !== undefined

/** Allows no pods in a scene's namespace. Answers with what raises the quota. */
export async function forbidPods(scene: Scene): Promise<(pods: number) => Promise<unknown>> {
  const { client } = scene.cluster.sandbox
  const key = { namespace: scene.name, name: 'few' }
  await client.create(resourceQuotas, { metadata: key, spec: { hard: { pods: '0' } } })
  await scene.until('the quota counts', async () => isReckoned(await client.get(resourceQuotas, key)))
  return (pods) =>
    client.patch(resourceQuotas, key, { type: 'merge', body: { spec: { hard: { pods: String(pods) } } } })
}
