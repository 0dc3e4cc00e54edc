import { expect } from 'vitest'
import { keepModuleLines } from '../dmesg.ts'
import { aloneLayer, exampleLayer, writeTree } from '../images.ts'
import type { Scenario } from '../scenario.ts'
import { forgetLoaded } from './load.ts'

export const replaceScenarios: readonly Scenario[] = [
  {
    name: 'parameters-changed',
    title: 'takes a module out and loads it again when its parameters change, and not when only its pull policy does',
    play: async (story) => {
      const node = await story.openNode()
      const modprobe = { moduleName: 'kmm_demo', parameters: ['count=3'] }
      await story.create(await story.pushDemo(), { modprobe })
      await story.untilReady()
      const said = keepModuleLines(await node.dmesg())
      await story.patchContainer({ imagePullPolicy: 'Always' })
      const isTaken = (): boolean => story.nmc(node)?.status?.modules?.[0]?.config?.imagePullPolicy === 'Always'
      await story.until('the pull policy', isTaken)
      expect(keepModuleLines(await node.dmesg())).toEqual(said)
      await story.patchContainer({ modprobe: { ...modprobe, parameters: ['count=5'] } })
      await story.untilLoaded(node, 'kmm_demo', ({ parameters }) => parameters['count'] === '5')
      await story.untilReady()
      expect(story.words.reports.map(({ action }) => action)).toEqual(['load', 'unload', 'load'])
      await story.deleteModule()
      await story.untilGone()
      expect(await node.loadedModules()).toEqual([])
    },
  },
  {
    name: 'in-tree',
    title: 'replaces in-tree modules once, leaves its own alone when it loads again, and restores nothing',
    play: async (story) => {
      const node = await story.openNode({ inTree: ['dummy', 'ifb'] })
      for (const name of ['dummy', 'ifb']) expect((await node.modprobe([name])).status).toBe(0)
      expect(await node.loadedModules(['dummy', 'ifb'])).toMatchObject([
        { name: 'dummy', taint: '' },
        { name: 'ifb', taint: '' },
      ])
      await story.create(await story.pushMore(), {
        modprobe: { moduleName: 'dummy' },
        inTreeModulesToRemove: ['dummy', 'ifb'],
      })
      await story.untilReady()
      expect(await node.loadedModules(['dummy', 'ifb'])).toMatchObject([{ name: 'dummy', taint: 'OE' }])
      const said = keepModuleLines(await node.dmesg())
      await forgetLoaded(story, node.name)
      await story.untilReady()
      expect(story.words.reports.at(-1)).toMatchObject({ outcome: 'ok', alreadyLoaded: true })
      expect(keepModuleLines(await node.dmesg())).toEqual(said)
      await story.deleteModule()
      await story.untilGone()
      expect(await node.loadedModules(['dummy', 'ifb'])).toEqual([])
    },
  },
  {
    name: 'in-tree-unlisted',
    title: 'leaves an in-tree module that nobody listed, until somebody lists it',
    play: async (story) => {
      const node = await story.openNode({ inTree: ['dummy'] })
      expect((await node.modprobe(['dummy'])).status).toBe(0)
      await story.create(await story.pushMore(), { modprobe: { moduleName: 'dummy' } })
      expect(await story.untilFailed(node, 'OtherVersionLoaded')).toContain('list dummy in inTreeModulesToRemove')
      expect(await story.untilLoaded(node, 'dummy')).toMatchObject({ taint: '' })
      await story.patchContainer({ inTreeModulesToRemove: ['dummy'] })
      await story.untilReady()
      expect(await story.untilLoaded(node, 'dummy')).toMatchObject({ taint: 'OE' })
    },
  },
  {
    name: 'in-tree-busy',
    title: 'says by whom an in-tree module is used, until it is free',
    says: 'InTreeRemovalFailed',
    play: async (story) => {
      const node = await story.openNode({ inTree: ['crc-itu-t'] })
      await writeTree(node, await exampleLayer('prebuilt-more', story.release))
      await writeTree(node, aloneLayer(story.release, 'kmm_demo_crc'))
      expect((await node.modprobe(['crc-itu-t'])).status).toBe(0)
      expect((await node.modprobe(['-d', '/opt', 'kmm_demo_crc'])).status).toBe(0)
      await story.create(await story.pushDemo(), { inTreeModulesToRemove: ['crc-itu-t'] })
      expect(await story.untilFailed(node, 'InTreeRemovalFailed')).toContain('in use by kmm_demo_crc')
      // The worker looks by whom it is used after modprobe has failed.
      await story.untilFailedAgain(node, 'InTreeRemovalFailed')
      // Not with what it uses, which the operator removes: it tries again all the time.
      expect((await node.modprobe(['-r', '-d', '/alone', 'kmm_demo_crc'])).status).toBe(0)
      await story.untilReady()
      expect((await node.loadedModules(['crc_itu_t'])).map(({ name }) => name)).toEqual(['kmm_demo', 'kmm_demo_dep'])
    },
  },
]
