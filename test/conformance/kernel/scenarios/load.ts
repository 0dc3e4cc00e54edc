import { expect } from 'vitest'
import { nmcResource } from '../../../scenario/view.ts'
import { keepModuleLines } from '../dmesg.ts'
import { exampleLayer, firmwareLayer, writeTree } from '../images.ts'
import type { Scenario } from '../scenario.ts'
import { firmwareFolder } from '../stage.ts'
import type { Story } from '../story.ts'

/** The names of modules in the order in which their own code said a word, of those that end in one of `endings`. */
function readOrder(dmesg: readonly string[], endings: readonly string[]): string[] {
  return dmesg.flatMap((line) => {
    const [name = '', words = ''] = line.split(': ')
    return endings.some((ending) => words.startsWith(ending)) ? [name] : []
  })
}

function orderScenario(first: string, second: string): Scenario {
  return {
    name: `order-${first.replaceAll('_', '-')}-first`,
    title: `inserts ${first} before ${second} when modulesLoadingOrder asks for that, and removes it after`,
    play: async (story) => {
      const node = await story.openNode({ inTree: ['crc-itu-t'] })
      await story.create(await story.pushMore(), {
        modprobe: { moduleName: second, modulesLoadingOrder: [second, first] },
      })
      await story.untilReady()
      expect(readOrder(await node.dmesg(), ['is there', 'the sum is'])).toEqual([first, second])
      expect((await node.loadedModules()).map(({ name }) => name)).toEqual(['kmm_demo_crc', 'kmm_demo_dev'])
      await story.deleteModule()
      await story.untilGone()
      expect(readOrder(await node.dmesg(), ['is gone', 'sums no more'])).toEqual([second, first])
      expect(await node.loadedModules(['crc_itu_t'])).toEqual([])
    },
  }
}

/** The node's NodeModulesConfig is lost, so that nobody knows what is loaded. */
export async function forgetLoaded(story: Story, name: string): Promise<void> {
  // A pod that is still there would tell of the first load once more.
  await story.until('no worker pod', () => story.pods.length === 0)
  const uid = story.view.configs.get({ name })?.metadata.uid
  const reportsBefore = story.words.reports.length
  await story.target.client.delete(nmcResource, { name })
  const isTold = (): boolean => {
    const config = story.view.configs.get({ name })
    const isNew = config !== undefined && config.metadata.uid !== uid
    return isNew && config.status?.modules?.length === 1 && story.words.reports.length > reportsBefore
  }
  await story.until('the second load', isTold)
}

export const loadScenarios: readonly Scenario[] = [
  {
    name: 'parameters',
    title: 'loads a module with its parameters, and unloads it when the Module goes',
    says: 'Loaded',
    play: async (story) => {
      const node = await story.openNode()
      await story.create(await story.pushDemo(), {
        modprobe: { moduleName: 'kmm_demo', parameters: ['count=3', 'greeting=good morning'] },
      })
      await story.untilReady()
      const loaded = await story.untilLoaded(node, 'kmm_demo')
      expect(loaded).toMatchObject({
        taint: 'OE',
        refcnt: 0,
        parameters: { count: '3', greeting: 'good morning' },
        srcversion: '51C70DE0189E60AD8A75277',
      })
      await story.deleteModule()
      await story.untilGone()
      expect(await node.loadedModules()).toEqual([])
      await story.until('no ready label', () => !story.isLabelled(node))
    },
  },
  {
    name: 'dependency',
    title: 'loads the module that exports a symbol before the one that needs it, and removes both',
    says: 'Unloaded',
    play: async (story) => {
      const node = await story.openNode()
      await story.create(await story.pushDemo())
      await story.untilReady()
      expect(await node.loadedModules()).toMatchObject([
        { name: 'kmm_demo', refcnt: 0, holders: [], parameters: { count: '1', greeting: 'hello' } },
        { name: 'kmm_demo_dep', refcnt: 1, holders: ['kmm_demo'], parameters: {} },
      ])
      await story.deleteModule()
      await story.untilGone()
      expect(await node.loadedModules()).toEqual([])
    },
  },
  orderScenario('kmm_demo_dev', 'kmm_demo_crc'),
  orderScenario('kmm_demo_crc', 'kmm_demo_dev'),
  {
    name: 'host-link',
    title: 'finds an in-tree module that the image links to on the host',
    play: async (story) => {
      const node = await story.openNode({ inTree: ['crc-itu-t'] })
      await story.create(await story.pushMore(), { modprobe: { moduleName: 'kmm_demo_crc' } })
      await story.untilReady()
      expect(await node.loadedModules(['crc_itu_t'])).toMatchObject([
        { name: 'crc_itu_t', taint: '', refcnt: 1, holders: ['kmm_demo_crc'] },
        { name: 'kmm_demo_crc', taint: 'OE' },
      ])
      await story.deleteModule()
      await story.untilGone()
      expect(await node.loadedModules(['crc_itu_t'])).toEqual([])
    },
  },
  {
    name: 'twice',
    title: 'leaves alone what is loaded when it loads again',
    play: async (story) => {
      const node = await story.openNode()
      await story.create(await story.pushDemo())
      await story.untilReady()
      const said = keepModuleLines(await node.dmesg())
      await forgetLoaded(story, node.name)
      await story.untilReady()
      expect(story.words.reports.at(-1)).toMatchObject({ outcome: 'ok', reason: 'Loaded', alreadyLoaded: true })
      expect(keepModuleLines(await node.dmesg())).toEqual(said)
    },
  },
  {
    name: 'other-version',
    title: 'says that another version is loaded, until somebody has removed it',
    says: 'OtherVersionLoaded',
    play: async (story) => {
      const node = await story.openNode()
      await writeTree(node, await exampleLayer('prebuilt-v2', story.release))
      expect((await node.modprobe(['-d', '/opt', 'kmm_demo'])).status).toBe(0)
      await story.create(await story.pushDemo())
      expect(await story.untilFailed(node, 'OtherVersionLoaded')).toContain('kmm_demo')
      expect(await story.untilLoaded(node, 'kmm_demo')).toMatchObject({ srcversion: 'CD21F6846EE46582307A371' })
      // The worker reports what is loaded at its end.
      await story.untilFailedAgain(node, 'OtherVersionLoaded')
      expect((await node.modprobe(['-r', '-d', '/opt', 'kmm_demo'])).status).toBe(0)
      await story.untilReady()
      await story.untilLoaded(node, 'kmm_demo', ({ srcversion }) => srcversion === '51C70DE0189E60AD8A75277')
    },
  },
  {
    name: 'firmware',
    title: 'gives the kernel the firmware of the image, and takes it away again',
    play: async (story) => {
      const node = await story.openNode()
      const modules = await exampleLayer('prebuilt', story.release)
      const image = await story.push('1', modules, firmwareLayer('kmm/demo.bin', 'firmware'))
      await story.create(image, { modprobe: { moduleName: 'kmm_demo_fw', firmwarePath: '/firmware' } })
      await story.untilReady()
      const classPath = '/sys/module/firmware_class/parameters/path'
      expect((await node.readFile(classPath))?.trim()).toBe(firmwareFolder)
      expect(await node.readFile(`${firmwareFolder}/kmm/demo.bin`)).toBe('firmware')
      expect(await node.loadedModules()).toMatchObject([{ name: 'kmm_demo_fw', parameters: { optional: 'N' } }])
      await story.deleteModule()
      await story.untilGone()
      expect(await node.loadedModules()).toEqual([])
      expect(await node.readFile(`${firmwareFolder}/kmm/demo.bin`)).toBeUndefined()
      // The kernel's setting stays: others may have come to rely on it, as upstream has it.
      expect((await node.readFile(classPath))?.trim()).toBe(firmwareFolder)
    },
  },
]
