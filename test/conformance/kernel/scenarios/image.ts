import { expect } from 'vitest'
import { distributionLayer, exampleLayer } from '../images.ts'
import type { Scenario } from '../scenario.ts'

export const imageScenarios: readonly Scenario[] = [
  {
    name: 'distribution-image',
    title: 'loads from an image that is made from a distribution’s, with headers, setuid files and absolute links',
    play: async (story) => {
      const node = await story.openNode({ inTree: ['crc-itu-t'] })
      const modules = await exampleLayer('prebuilt-more', story.release)
      // As the documentation has it: the link is absolute, and the same when the image is built as on the node.
      const linked = modules.map((entry) =>
        entry.name.endsWith('/host') ? { ...entry, linkname: `/lib/modules/${story.release}` } : entry,
      )
      const image = await story.push('1', distributionLayer(story.release), linked)
      await story.create(image, { modprobe: { moduleName: 'kmm_demo_crc' } })
      await story.untilReady()
      expect((await node.loadedModules(['crc_itu_t'])).map(({ name }) => name)).toEqual(['crc_itu_t', 'kmm_demo_crc'])
      await story.deleteModule()
      await story.untilGone()
      expect(await node.loadedModules(['crc_itu_t'])).toEqual([])
    },
  },
]
