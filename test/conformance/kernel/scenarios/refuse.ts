import { expect } from 'vitest'
import { keepModuleLines } from '../dmesg.ts'
import { exampleLayer, firmwareLayer, signedLayer } from '../images.ts'
import type { Scenario } from '../scenario.ts'

/** The kernel's flavour whose modules are for another kernel than those of its sister. */
const toCloud = (release: string): string => release.replace(/-amd64$/, '-cloud-amd64')

const signedModule = { modprobe: { moduleName: 'kmm_demo_dep' } }

export const refuseScenarios: readonly Scenario[] = [
  {
    name: 'invalid-parameter',
    title: 'says that the module refuses a value, until the Module is corrected',
    says: 'InvalidParameter',
    play: async (story) => {
      const node = await story.openNode()
      await story.create(await story.pushDemo(), { modprobe: { moduleName: 'kmm_demo', parameters: ['count=1000'] } })
      expect(await story.untilFailed(node, 'InvalidParameter')).toContain('modprobe.parameters')
      await story.patchContainer({ modprobe: { parameters: ['count=7'] } })
      await story.untilReady()
      await story.untilLoaded(node, 'kmm_demo', ({ parameters }) => parameters['count'] === '7')
      // What is well again in between fails anew, and that is told anew.
      await story.patchContainer({ modprobe: { parameters: ['count=99999999999'] } })
      expect(await story.untilFailed(node, 'InvalidParameter')).toContain('out of range')
    },
  },
  {
    name: 'no-device',
    title: 'says that a module finds no device, until it does',
    says: 'Unknown',
    play: async (story) => {
      const node = await story.openNode()
      const modprobe = { moduleName: 'kmm_demo_dev', parameters: ['absent=1'] }
      await story.create(await story.pushMore(), { modprobe })
      expect(await story.untilFailed(node, 'Unknown')).toContain('found no device')
      expect(await node.loadedModules()).toEqual([])
      await story.patchContainer({ modprobe: { parameters: ['absent=0'] } })
      await story.untilReady()
    },
  },
  {
    name: 'other-kernel',
    title: 'says that a module is for another kernel, until the image has one for this',
    says: 'KernelMismatch',
    play: async (story) => {
      const node = await story.openNode()
      const cloud = await exampleLayer('prebuilt-cloud', toCloud(story.release), story.release)
      await story.create(await story.push('1', cloud))
      expect(await story.untilFailed(node, 'KernelMismatch')).toContain('build the image for this kernel')
      expect(keepModuleLines(await node.dmesg()).at(-1)).toBe(
        'kmm_demo_dep: disagrees about version of symbol module_layout',
      )
      expect(await node.loadedModules()).toEqual([])
      const kernelMappings = [{ regexp: '^.+$', containerImage: await story.pushDemo('2') }]
      await story.patchContainer({ kernelMappings })
      await story.untilReady()
    },
  },
  {
    name: 'sister-kernel',
    title: 'loads a module of another release whose symbols have the same versions',
    play: async (story) => {
      const node = await story.openNode()
      await story.create(await story.push('1', await exampleLayer('prebuilt', story.otherRelease, story.release)))
      await story.untilReady()
      expect((await node.loadedModules()).map(({ name }) => name)).toEqual(['kmm_demo', 'kmm_demo_dep'])
    },
  },
  {
    name: 'damaged',
    title: 'says that a module file is damaged, until the image has a whole one',
    play: async (story) => {
      const node = await story.openNode()
      const layer = await exampleLayer('prebuilt', story.release)
      const cut = layer.map((entry) =>
        entry.name.endsWith('kmm_demo_dep.ko')
          ? { ...entry, content: Buffer.from(entry.content ?? '').subarray(0, 3000) }
          : entry,
      )
      await story.create(await story.push('1', cut))
      await story.untilFailed(node, 'KernelMismatch')
      expect(await node.loadedModules()).toEqual([])
      await story.patchContainer({ kernelMappings: [{ regexp: '^.+$', containerImage: await story.pushDemo('2') }] })
      await story.untilReady()
    },
  },
  {
    name: 'firmware-missing',
    title: 'says which firmware file is missing, until the node has it',
    says: 'FirmwareMissing',
    play: async (story) => {
      const node = await story.openNode()
      const modules = await exampleLayer('prebuilt', story.release)
      const image = await story.push('1', modules, firmwareLayer('other.bin', 'other'))
      await story.create(image, { modprobe: { moduleName: 'kmm_demo_fw', firmwarePath: '/firmware' } })
      expect(await story.untilFailed(node, 'FirmwareMissing')).toContain('kmm/demo.bin')
      expect(await node.dmesg()).toContain('platform kmm_demo_fw: firmware: failed to load kmm/demo.bin (-2)')
      // The worker looks for what is missing after modprobe has failed.
      await story.untilFailedAgain(node, 'FirmwareMissing')
      await node.writeFile('/lib/firmware/kmm/demo.bin', 'firmware')
      await story.untilReady()
      await node.removeFile('/lib/firmware/kmm/demo.bin')
    },
  },
  {
    name: 'unsigned',
    title: 'says that an unsigned module is refused, until one with a trusted signature comes',
    says: 'SignatureRejected',
    play: async (story) => {
      const node = await story.openNode({ enforcing: true })
      await story.create(await story.pushDemo(), signedModule)
      expect(await story.untilFailed(node, 'SignatureRejected')).toContain('sign the module with a key')
      expect(keepModuleLines(await node.dmesg()).at(-1)).toBe('Loading of unsigned module is rejected')
      const containerImage = await story.push('2', signedLayer('trusted', story.release))
      await story.patchContainer({ kernelMappings: [{ regexp: '^.+$', containerImage }] })
      await story.untilReady()
      expect(await story.untilLoaded(node, 'kmm_demo_dep')).toMatchObject({ taint: 'O' })
    },
  },
  {
    name: 'wrongly-signed',
    title: 'says that a stranger’s signature is refused, until one with a trusted signature comes',
    play: async (story) => {
      const node = await story.openNode({ enforcing: true })
      await story.create(await story.push('1', signedLayer('stranger', story.release)), signedModule)
      expect(await story.untilFailed(node, 'SignatureRejected')).toContain('sign the module with a key')
      expect(keepModuleLines(await node.dmesg()).at(-1)).toBe('Loading of module with unavailable key is rejected')
      const containerImage = await story.push('2', signedLayer('trusted', story.release))
      await story.patchContainer({ kernelMappings: [{ regexp: '^.+$', containerImage }] })
      await story.untilReady()
      expect(await story.untilLoaded(node, 'kmm_demo_dep')).toMatchObject({ taint: 'O' })
    },
  },
]
