import { expect } from 'vitest'
import { nodes } from '../../../../src/kube/core-resources.ts'
import type { TargetNode } from '../../target.ts'
import type { Scenario } from '../scenario.ts'
import type { Story } from '../story.ts'

/** Marks the node unschedulable, as `kubectl cordon` does, and waits for the taint that the cluster adds. */
async function cordon(story: Story, { name }: TargetNode): Promise<void> {
  const body = { spec: { unschedulable: true } }
  await story.target.client.patch(nodes, { name }, { type: 'merge', body })
  await story.until('the taint', () => (story.view.nodes.get({ name })?.spec?.taints ?? []).length > 0)
}

export const policyScenarios: readonly Scenario[] = [
  {
    name: 'cordon-in-use',
    title: 'unloads nothing when a node is cordoned, and there too what is deleted, once it is free',
    play: async (story) => {
      const node = await story.openNode()
      const image = await story.pushMore()
      await story.create(image, { modprobe: { moduleName: 'kmm_demo_dev' } })
      await story.untilReady()
      const free = await node.hold('kmm_demo_dev')
      await cordon(story, node)
      // Somebody new shows that the cordon was seen.
      await story.create(image, { modprobe: { moduleName: 'kmm_demo_crc' } }, { name: 'late' })
      await story.until('nobody comes', () => story.condition('Ready', 'late')?.reason === 'NodeNotSchedulable')
      expect(await story.untilLoaded(node, 'kmm_demo_dev')).toMatchObject({ refcnt: 1 })
      expect([story.isLabelled(node), story.worker(node)]).toEqual([true, undefined])
      await story.deleteModule('late')
      await story.deleteModule()
      expect(await story.untilFailed(node, 'ModuleInUse', 2)).toContain('is in use')
      expect(await story.untilLoaded(node, 'kmm_demo_dev')).toMatchObject({ refcnt: 1 })
      await free()
      await story.untilGone()
      expect(await node.loadedModules()).toEqual([])
    },
  },
  {
    name: 'never-unload',
    title: 'leaves a module that is never to be unloaded, and finds it again for its next Module',
    play: async (story) => {
      const node = await story.openNode()
      const image = await story.pushDemo()
      await story.create(image, {}, { annotations: { 'kmm.sigs.x-k8s.io/unload-policy': 'Never' } })
      await story.untilReady()
      const loaded = await node.loadedModules()
      await story.deleteModule()
      await story.untilGone()
      await story.until('no ready label', () => !story.isLabelled(node))
      expect(await node.loadedModules()).toEqual(loaded)
      await story.create(image)
      await story.untilReady()
      expect(story.words.reports.at(-1)).toMatchObject({ outcome: 'ok', alreadyLoaded: true })
      expect(await node.loadedModules()).toEqual(loaded)
      await story.deleteModule()
      await story.untilGone()
      expect(await node.loadedModules()).toEqual([])
    },
  },
]
