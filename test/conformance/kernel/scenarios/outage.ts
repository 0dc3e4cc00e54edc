import { expect } from 'vitest'
import { workerActionLabel } from '../../../../src/api/labels.ts'
import { countInsertions } from '../dmesg.ts'
import type { Scenario } from '../scenario.ts'
import type { Story } from '../story.ts'

/** A worker pod of the Module that is to load or unload. */
const hasWorkerPod = (story: Story, action: 'Load' | 'Unload'): boolean =>
  story.pods.some(({ metadata }) => metadata?.labels?.[workerActionLabel] === action)

export const outageScenarios: readonly Scenario[] = [
  {
    name: 'worker-image',
    title: 'says that the worker image cannot be had, and loads when it can',
    alone: true,
    play: async (story) => {
      const node = await story.openNode()
      const bringBack = await story.target.loseWorkerImage()
      try {
        await story.create(await story.pushDemo())
        await story.untilFailed(node, 'WorkerImageUnavailable', 0)
        expect(await node.loadedModules()).toEqual([])
      } finally {
        await bringBack()
      }
      await story.untilReady()
      await story.untilLoaded(node, 'kmm_demo')
    },
  },
  {
    name: 'registry',
    title: 'says that the registry does not answer, and loads when it does',
    alone: true,
    play: async (story) => {
      const node = await story.openNode()
      const image = await story.pushDemo()
      story.target.registry.takeDown()
      try {
        await story.create(image)
        await story.until(
          'no word of the image',
          () => story.condition('ImagesReady')?.reason === 'RegistryUnreachable',
        )
        expect(await node.loadedModules()).toEqual([])
      } finally {
        story.target.registry.bringBack()
      }
      await story.untilReady()
      await story.untilLoaded(node, 'kmm_demo')
    },
  },
  {
    name: 'operator-killed',
    title: 'ends well when the operator is killed while a worker loads, and while one unloads',
    alone: true,
    play: async (story) => {
      const node = await story.openNode()
      await story.create(await story.pushDemo())
      await story.until('a pod that loads', () => hasWorkerPod(story, 'Load'))
      await story.stage.killOperator()
      await story.untilLoaded(node, 'kmm_demo')
      expect(story.isLabelled(node)).toBe(false)
      await story.stage.startOperator()
      await story.untilReady()
      expect(countInsertions(await node.dmesg())).toBe(1)
      await story.deleteModule()
      await story.until('a pod that unloads', () => hasWorkerPod(story, 'Unload'))
      await story.stage.killOperator()
      await story.until('the unload', async () => (await node.loadedModules()).length === 0)
      await story.stage.startOperator()
      await story.untilGone()
      expect(countInsertions(await node.dmesg())).toBe(1)
    },
  },
]
