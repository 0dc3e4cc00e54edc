import type { ResourceQuota } from 'kubernetes-types/core/v1.js'
import type { ObjectKey } from '../../src/kube/object.ts'
import { defineResource } from '../../src/kube/resource.ts'
import { patience } from './engine.ts'
import type { Scene } from './scene.ts'

const resourceQuotas = defineResource<ResourceQuota>({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  namespaced: true,
})

/** A quota limits nothing before somebody has reckoned up what it is about. */
async function untilReckoned({ sandbox: { client } }: Scene['cluster'], key: ObjectKey): Promise<void> {
  const deadline = Date.now() + 40_000 * patience
  const isReckoned = ({ status }: ResourceQuota): boolean =>
    status?.hard?.['pods'] !== undefined && status.used?.['pods'] !== undefined
  while (!isReckoned(await client.get(resourceQuotas, key))) {
    if (Date.now() > deadline) throw new Error(`nobody reckons up the quota of namespace ${key.namespace}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Allows no pods in a scene's namespace. Answers with what raises the quota. */
export async function forbidPods(scene: Scene): Promise<(pods: number) => Promise<unknown>> {
  const { client } = scene.cluster.sandbox
  const key = { namespace: scene.name, name: 'few' }
  await client.create(resourceQuotas, { metadata: key, spec: { hard: { pods: '0' } } })
  await untilReckoned(scene.cluster, key)
  return (pods) =>
    client.patch(resourceQuotas, key, { type: 'merge', body: { spec: { hard: { pods: String(pods) } } } })
}
