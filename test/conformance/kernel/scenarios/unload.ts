import { expect } from 'vitest'
import { aloneLayer, exampleLayer, hostLayer, writeTree } from '../images.ts'
import type { Scenario } from '../scenario.ts'
import type { Story } from '../story.ts'

/** Creates another Module on the scenario's nodes, and waits until it is loaded. */
async function createBase(story: Story, image: string, moduleName: string): Promise<void> {
  await story.create(image, { modprobe: { moduleName } }, { name: 'base' })
  await story.until('the other Module is ready', () => story.condition('Ready', 'base')?.status === 'True')
}

/** Deletes it, and waits until it has left the kernel and its event has come. */
async function deleteBase(story: Story): Promise<void> {
  await story.deleteModule('base')
  const isGone = (): boolean => story.view.modules.get({ namespace: story.name, name: 'base' }) === undefined
  const isTold = (): boolean => JSON.stringify(story.words.toJson()).includes('ModuleUnloaded: Module SCENARIO/base')
  await story.until('the other Module is gone', () => isGone() && isTold())
}

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
      await writeTree(node, aloneLayer(story.release, 'kmm_demo'))
      expect((await node.modprobe(['-d', '/opt', 'kmm_demo'])).status).toBe(0)
      await story.deleteModule()
      expect(await story.untilFailed(node, 'ModuleInUse')).toContain('in use by kmm_demo')
      // The worker looks by whom it is used after modprobe has failed.
      await story.untilFailedAgain(node, 'ModuleInUse')
      // Not with what it uses, which the operator unloads: it tries again all the time.
      expect((await node.modprobe(['-r', '-d', '/alone', 'kmm_demo'])).status).toBe(0)
      await story.untilGone()
      expect(await node.loadedModules()).toEqual([])
    },
  },
  {
    name: 'asked-for-by-other',
    title: 'leaves what another Module asks for, when it unloads what depends on it',
    play: async (story) => {
      const node = await story.openNode()
      const image = await story.pushDemo()
      await createBase(story, image, 'kmm-demo-dep')
      await story.create(image)
      await story.untilReady()
      const used = await story.untilLoaded(node, 'kmm_demo_dep', ({ refcnt }) => refcnt === 1)
      await story.patchContainer({ modprobe: { parameters: ['count=3'] } })
      await story.untilLoaded(node, 'kmm_demo', ({ parameters }) => parameters['count'] === '3')
      await story.untilReady()
      await story.deleteModule()
      await story.untilGone()
      expect(await node.loadedModules()).toEqual([{ ...used, refcnt: 0, holders: [] }])
      expect(story.condition('Ready', 'base')?.status).toBe('True')
      await deleteBase(story)
      expect(await node.loadedModules()).toEqual([])
    },
  },
  {
    name: 'asked-for-on-host',
    title: 'leaves an in-tree module that another Module asks for, when it unloads what depends on it',
    play: async (story) => {
      const node = await story.openNode({ inTree: ['crc-itu-t'] })
      const image = await story.pushMore()
      await createBase(story, image, 'crc-itu-t')
      await story.create(image, { modprobe: { moduleName: 'kmm_demo_crc' } })
      await story.untilReady()
      await story.deleteModule()
      await story.untilGone()
      expect(await node.loadedModules(['crc_itu_t'])).toMatchObject([{ name: 'crc_itu_t', refcnt: 0 }])
      await deleteBase(story)
      expect(await node.loadedModules(['crc_itu_t'])).toEqual([])
    },
  },
  {
    name: 'asked-for-in-tree',
    title: 'leaves what another Module asks for, when it removes in-tree modules that depend on it',
    play: async (story) => {
      const names = ['slhc', 'ppp_generic']
      const node = await story.openNode({ inTree: names })
      const path = 'kernel/drivers/net/slip/slhc.ko'
      await createBase(story, await story.push('host', hostLayer(story.release, [{ name: 'slhc', path }])), 'slhc')
      expect((await node.modprobe(['ppp_generic'])).status).toBe(0)
      expect(await node.loadedModules(names)).toMatchObject([
        { name: 'ppp_generic' },
        { name: 'slhc', holders: ['ppp_generic'] },
      ])
      await story.create(await story.pushDemo(), { inTreeModulesToRemove: ['ppp_generic'] })
      await story.untilReady()
      const loaded = (await node.loadedModules(names)).map(({ name }) => name)
      expect(loaded).toEqual(['kmm_demo', 'kmm_demo_dep', 'slhc'])
      await story.deleteModule()
      await story.untilGone()
      await deleteBase(story)
      expect(await node.loadedModules(names)).toEqual([])
    },
  },
]
