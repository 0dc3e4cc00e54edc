import { expect } from 'vitest'
import { exampleLayer, writeTree } from '../images.ts'
import type { Scenario } from '../scenario.ts'

export const unloadScenarios: readonly Scenario[] = [
  {
    name: 'in-use',
    title: 'does not unload what somebody uses, and unloads it when that ends',
    says: 'ModuleInUse',
    play: async (story) => {
      const node = await story.openNode()
      await story.create(await story.pushMore(), { modprobe: { moduleName: 'kmm_demo_dev' } })
      await story.untilReady()
      const free = await node.hold('kmm_demo_dev')
      expect(await story.untilLoaded(node, 'kmm_demo_dev')).toMatchObject({ refcnt: 1, holders: [] })
      await story.deleteModule()
      expect(await story.untilFailed(node, 'ModuleInUse', 2)).toContain('is in use')
      expect(story.condition('Ready')?.message).toContain(`waits for 1 node: ${node.name} (ModuleInUse`)
      await story.until('no ready label', () => !story.isLabelled(node))
      expect(await story.untilLoaded(node, 'kmm_demo_dev')).toMatchObject({ refcnt: 1 })
      await free()
      await story.untilGone()
      expect(await node.loadedModules()).toEqual([])
    },
  },
  {
    name: 'used-by-module',
    title: 'does not unload what another module uses, and unloads it when that is gone',
    play: async (story) => {
      const node = await story.openNode()
      await story.create(await story.pushDemo(), { modprobe: { moduleName: 'kmm_demo_dep' } })
      await story.untilReady()
      await writeTree(node, await exampleLayer('prebuilt', story.release))
      expect((await node.modprobe(['-d', '/opt', 'kmm_demo'])).status).toBe(0)
      await story.deleteModule()
      expect(await story.untilFailed(node, 'ModuleInUse')).toContain('in use by kmm_demo')
      expect((await node.modprobe(['-r', '-d', '/opt', 'kmm_demo'])).status).toBe(0)
      await story.untilGone()
      expect(await node.loadedModules()).toEqual([])
    },
  },
]
