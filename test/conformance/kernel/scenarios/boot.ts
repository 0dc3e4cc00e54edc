import { expect } from 'vitest'
import type { TargetNode } from '../../target.ts'
import { exampleLayer } from '../images.ts'
import type { Scenario } from '../scenario.ts'
import type { Story } from '../story.ts'

/** Boots a node while nobody can be asked for the image: what the node has kept of it must do. */
async function rebootWithoutRegistry(story: Story, node: TargetNode, downMs: number): Promise<void> {
  const { registry } = story.target
  const before = await node.bootId()
  registry.takeDown()
  try {
    await node.reboot({ downMs })
    expect(await node.bootId()).not.toBe(before)
    await story.untilLoaded(node, 'kmm_demo')
    await story.until('the label of the new boot', () => isLoadedInBoot(story, node))
    await story.untilReady()
  } finally {
    registry.bringBack()
  }
}

/** The node's NodeModulesConfig says that the module was loaded in the boot that runs. */
async function isLoadedInBoot(story: Story, node: TargetNode): Promise<boolean> {
  const bootId = await node.bootId()
  return story.nmc(node)?.status?.modules?.some((module) => module.bootId === bootId) ?? false
}

async function pushForBoth(story: Story): Promise<{ literal: string; containerImage: string }[]> {
  const mappings: { literal: string; containerImage: string }[] = []
  for (const literal of [story.release, story.otherRelease])
    mappings.push({ literal, containerImage: await story.push(literal, await exampleLayer('prebuilt', literal)) })
  return mappings
}

/** The image that the node's NodeModulesConfig asks for. */
const wantedImage = (story: Story, node: TargetNode): string | undefined =>
  story.nmc(node)?.spec?.modules?.find(({ namespace }) => namespace === story.name)?.config.containerImage

/** Notes each change of the node's boot and of its ready label. */
function watchLabel(story: Story, node: TargetNode): string[] {
  const seen: string[] = []
  let before = ''
  story.view.nodes.onChange(({ after }) => {
    if (after?.metadata?.name !== node.name) return
    const { bootID = '' } = after.status?.nodeInfo ?? {}
    const state = `${bootID} ${story.isLabelled(node) ? 'label' : 'no label'}`
    if (state !== before) seen.push(state)
    before = state
  })
  return seen
}

export const bootScenarios: readonly Scenario[] = [
  {
    name: 'reboot-label',
    title: 'takes the label away when it sees another boot, and gives it back when the module is loaded in that',
    play: async (story) => {
      const node = await story.openNode()
      await story.create(await story.pushDemo())
      await story.untilReady()
      const seen = watchLabel(story, node)
      await node.reboot()
      const bootId = await node.bootId()
      await story.until('the label of the new boot', () => isLoadedInBoot(story, node))
      await story.untilReady()
      const states = seen.filter((state) => state.startsWith(bootId))
      expect(states.slice(-2)).toEqual([`${bootId} no label`, `${bootId} label`])
      // The kubelet tells of the boot before anybody can answer.
      expect(states.slice(0, -2).filter((state) => state !== `${bootId} label`)).toEqual([])
      expect(states.length).toBeLessThanOrEqual(3)
      expect(await story.untilLoaded(node, 'kmm_demo')).toMatchObject({ taint: 'OE' })
    },
  },
  {
    name: 'kernel-unmapped',
    title: 'clears a node whose new kernel has no mapping, and loads again when the old one is back',
    play: async (story) => {
      const node = await story.openNode()
      await story.create('', { kernelMappings: [{ literal: story.release, containerImage: await story.pushDemo() }] })
      await story.untilReady()
      await node.reboot({ kernel: story.otherRelease })
      await story.until('no plan for the node', () => story.nmc(node) === undefined)
      await story.until('no ready label', () => !story.isLabelled(node))
      await story.until('the words for it', () => story.condition('Ready')?.reason === 'NoKernelMapping')
      expect(story.condition('Ready')?.message).toContain(`no kernel mapping matches kernel ${story.otherRelease}`)
      expect(await node.loadedModules()).toEqual([])
      await node.reboot({ kernel: story.release })
      await story.until('the label of the new boot', () => isLoadedInBoot(story, node))
      await story.untilReady()
      await story.untilLoaded(node, 'kmm_demo')
    },
  },
  {
    name: 'reboot-loading',
    title: 'takes up in the next boot a load that the node went down with',
    alone: true,
    play: async (story) => {
      const node = await story.openNode()
      await story.create(await story.pushDemo(), { imagePullPolicy: 'Always' })
      await story.untilReady()
      const { registry } = story.target
      registry.takeDown()
      try {
        await node.reboot()
        await story.untilFailed(node, 'RegistryUnreachable')
        await node.reboot()
        expect(await node.loadedModules()).toEqual([])
        expect(story.isLabelled(node)).toBe(false)
      } finally {
        registry.bringBack()
      }
      await story.until('the label of the new boot', () => isLoadedInBoot(story, node))
      await story.untilReady()
      await story.untilLoaded(node, 'kmm_demo')
    },
  },
  {
    name: 'reboot',
    title: 'loads again after a reboot that nobody noticed, from what the node kept, with the registry gone',
    alone: true,
    play: async (story) => {
      const node = await story.openNode()
      await story.create(await story.pushDemo())
      await story.untilReady()
      await rebootWithoutRegistry(story, node, 0)
      expect(await story.untilLoaded(node, 'kmm_demo')).toMatchObject({ srcversion: '51C70DE0189E60AD8A75277' })
    },
  },
  {
    name: 'reboot-not-ready',
    title: 'loads again after a node was away for so long that it was not Ready, with the registry gone',
    alone: true,
    play: async (story) => {
      const node = await story.openNode()
      await story.create(await story.pushDemo())
      await story.untilReady()
      let wasAway = false
      story.view.nodes.onChange(({ after }) => {
        const ready = after?.status?.conditions?.find(({ type }) => type === 'Ready')
        if (after?.metadata?.name === node.name && ready?.status !== 'True') wasAway = true
      })
      await rebootWithoutRegistry(story, node, 500)
      expect(wasAway).toBe(true)
    },
  },
  {
    name: 'kernel-upgrade',
    title: 'loads the image for the new kernel after an upgrade',
    play: async (story) => {
      const node = await story.openNode({ release: story.otherRelease })
      const kernelMappings = await pushForBoth(story)
      await story.create('', { kernelMappings })
      await story.untilReady()
      expect(wantedImage(story, node)).toBe(kernelMappings[1]?.containerImage)
      await node.reboot({ kernel: story.release })
      expect(await node.release()).toBe(story.release)
      await story.until('the label of the new boot', () => isLoadedInBoot(story, node))
      await story.untilReady()
      expect(wantedImage(story, node)).toBe(kernelMappings[0]?.containerImage)
      const isTold = (): boolean => {
        const last = story.words.reports.at(-1)
        return last?.outcome === 'ok' && last.kernel === story.release
      }
      await story.until('the report of the new kernel', isTold)
      await story.untilLoaded(node, 'kmm_demo')
    },
  },
  {
    name: 'two-kernels',
    title: 'loads the image of each kernel on nodes that differ in theirs',
    play: async (story) => {
      const kernelMappings = await pushForBoth(story)
      const nodes = await Promise.all([story.openNode(), story.openNode({ release: story.otherRelease })])
      await story.create('', { kernelMappings })
      await story.untilReady()
      for (const [index, node] of nodes.entries()) {
        expect(wantedImage(story, node)).toBe(kernelMappings[index]?.containerImage)
        await story.untilLoaded(node, 'kmm_demo')
      }
      expect(story.module?.status?.moduleLoader).toMatchObject({ desiredNumber: 2, availableNumber: 2 })
    },
  },
]
