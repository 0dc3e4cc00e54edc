import { expect } from 'vitest'
import { countInsertions } from '../dmesg.ts'
import { exampleLayer } from '../images.ts'
import {
  changeDockerfile,
  createDockerfile,
  createSecret,
  describeBuild,
  describeSign,
  plainDockerfile,
  pushBases,
  signingCertificate,
} from '../making.ts'
import type { Scenario } from '../scenario.ts'
import type { Story } from '../story.ts'

/** The image of the Module for each kernel, as its author writes it. */
const containerImage = (story: Story): string =>
  `${story.target.registry.address}/${story.name}:\${KERNEL_FULL_VERSION}`

/** A node that refuses what is not signed by the key of these scenarios. */
const strict = (): { enforcing: true; trusts: string } => ({ enforcing: true, trusts: signingCertificate() })

/** All images are made, however long the builds and the pauses between them take. */
const untilMade = (story: Story): Promise<void> =>
  story.until('the images', () => story.images.length > 0 && story.images.every(({ phase }) => phase === 'Ready'))

const ready = { phase: 'Ready', digest: expect.stringMatching(/^sha256:/) as string }

export const makeScenarios: readonly Scenario[] = [
  {
    name: 'build',
    title: 'builds in stages the image of each kernel that is missing, and loads from it',
    play: async (story) => {
      const releases = [story.release, story.otherRelease]
      const nodes = await Promise.all(releases.map((release) => story.openNode({ release })))
      await pushBases(story, releases)
      await createDockerfile(story)
      await story.create(containerImage(story), describeBuild(story))
      await untilMade(story)
      await story.untilReady()
      for (const node of nodes)
        expect((await node.loadedModules()).map(({ name }) => name)).toEqual(['kmm_demo', 'kmm_demo_dep'])
      expect(story.images).toMatchObject([ready, ready])
      expect(new Set(story.images.map(({ digest }) => digest)).size).toBe(2)
      expect(story.condition('ImagesReady')).toMatchObject({ status: 'True', message: '2 of 2 images exist' })
      await story.untilCollected()
      expect(story.jobs.told).toEqual(['BuildImage Succeeded', 'BuildImage Succeeded'])
      const kernels = releases.map((release) => release.replaceAll('.', '-'))
      expect(new Set(story.jobs.all.map(({ kernel }) => kernel))).toEqual(new Set(kernels))
    },
  },
  {
    name: 'build-mended',
    title: 'says which step of a build failed, until the Dockerfile is mended, whose steps see the secret',
    play: async (story) => {
      const node = await story.openNode()
      await pushBases(story)
      await createSecret(story, 'door', { token: 'open sesame' })
      await createDockerfile(story, plainDockerfile('RUN grep -q barley /run/secrets/door/token'))
      await story.create(containerImage(story), describeBuild(story, { secrets: [{ name: 'door' }] }))
      await story.until('the failure', () => story.condition('ImagesReady')?.reason === 'BuildFailed')
      expect(story.condition('ImagesReady')?.message).toContain('RUN grep -q barley /run/secrets/door/token')
      expect(await node.loadedModules()).toEqual([])
      await story.until('the pod that failed', () => story.jobs.told.includes('BuildImage Failed'))
      expect(story.jobs.all).toMatchObject([{ phase: 'Failed', isGone: false }])
      await changeDockerfile(story, plainDockerfile('RUN grep -q sesame /run/secrets/door/token'))
      await untilMade(story)
      await story.untilReady()
      await story.untilLoaded(node, 'kmm_demo')
      await story.untilCollected()
      expect(story.jobs.told).toEqual(['BuildImage Failed', 'BuildImage Succeeded'])
    },
  },
  {
    name: 'rebuild',
    title: 'builds anew what the registry has lost when it is asked to, and leaves alone what is loaded',
    play: async (story) => {
      const node = await story.openNode()
      await pushBases(story)
      await createDockerfile(story)
      await story.create(containerImage(story), describeBuild(story))
      await untilMade(story)
      await story.untilReady()
      const { digest = '' } = story.images[0] ?? {}
      expect(story.target.registry.lose(story.name, digest)).toBe(true)
      await story.trigger(1)
      await story.until('the trigger is done', () => story.module?.status?.imageRebuildTriggerGeneration === 1)
      expect(await story.target.registry.tags(story.name)).toEqual([story.release])
      await story.until('word of the image', () => story.images[0]?.phase === 'Ready')
      await story.untilCollected()
      expect(story.jobs.told).toEqual(['BuildImage Succeeded', 'BuildImage Succeeded'])
      expect(story.isLabelled(node)).toBe(true)
      expect(countInsertions(await node.dmesg())).toBe(1)
      expect(story.words.reports.length).toBe(1)
    },
  },
  {
    name: 'sign',
    title: 'signs an image that somebody else has made, and a kernel that wants signatures loads from it',
    // Its pod may be on any node, and those of other scenarios come and go.
    alone: true,
    play: async (story) => {
      const node = await story.openNode(strict())
      await story.push(`unsigned-${story.release}`, await exampleLayer('prebuilt', story.release))
      const unsignedImage = containerImage(story).replace(':${', ':unsigned-${')
      const filesToSign = ['/opt/lib/modules/${KERNEL_FULL_VERSION}/kmm_demo*.ko']
      const sign = { unsignedImage, unsignedImageRegistryTLS: { insecure: true }, filesToSign }
      await story.create(containerImage(story), await describeSign(story, sign))
      await untilMade(story)
      await story.untilReady()
      expect(await node.loadedModules()).toMatchObject([
        { name: 'kmm_demo', taint: 'O' },
        { name: 'kmm_demo_dep', taint: 'O' },
      ])
      expect(story.images).toMatchObject([ready])
      await story.untilCollected()
      expect(story.jobs.told).toEqual(['SignImage Succeeded'])
    },
  },
  {
    name: 'build-sign',
    title: 'builds and signs, and what is built alone a kernel that wants signatures refuses',
    alone: true,
    play: async (story) => {
      const node = await story.openNode(strict())
      await pushBases(story)
      await createDockerfile(story)
      await story.create(containerImage(story), { ...describeBuild(story), ...(await describeSign(story)) })
      await untilMade(story)
      await story.untilReady()
      expect(await story.untilLoaded(node, 'kmm_demo')).toMatchObject({ taint: 'O' })
      await story.untilCollected()
      expect(story.jobs.told).toEqual(['BuildImage Succeeded', 'SignImage Succeeded'])
      const unsigned = (await story.target.registry.tags(story.name)).filter((tag) => tag !== story.release)
      expect(unsigned).toEqual([expect.stringContaining(`${story.release}-kmm-unsigned-`)])
      const mapping = {
        regexp: '^.+$',
        containerImage: `${story.target.registry.address}/${story.name}:${unsigned[0]}`,
      }
      await story.patchContainer({ build: null, sign: null, kernelMappings: [mapping] })
      await story.untilFailed(node, 'SignatureRejected')
      expect(await node.loadedModules()).toEqual([])
    },
  },
  {
    name: 'sign-later',
    title: 'signs in its place what it has built when that is asked for later, and leaves alone what is loaded',
    alone: true,
    play: async (story) => {
      const unselected = Object.fromEntries(Object.keys(story.selector).map((key) => [key, 'nobody']))
      const [easy, refusing] = await Promise.all([
        story.openNode(),
        story.openNode({ ...strict(), labels: unselected }),
      ])
      await pushBases(story)
      await createDockerfile(story)
      await story.create(containerImage(story), describeBuild(story))
      await story.until('the module is loaded', () => story.isLabelled(easy))
      expect(story.images).toMatchObject([ready])
      const { digest } = story.images[0] ?? {}
      await refusing.label(story.selector)
      await story.untilFailed(refusing, 'SignatureRejected')
      await story.patchContainer(await describeSign(story))
      await story.untilReady()
      expect(await story.untilLoaded(refusing, 'kmm_demo')).toMatchObject({ taint: 'O' })
      expect(story.images).toMatchObject([ready])
      expect(story.images[0]?.digest).not.toBe(digest)
      await story.untilCollected()
      expect(story.jobs.told).toEqual(['BuildImage Succeeded', 'SignImage Succeeded'])
      expect(await story.untilLoaded(easy, 'kmm_demo')).toMatchObject({ taint: 'OE' })
      expect(countInsertions(await easy.dmesg())).toBe(1)
    },
  },
  {
    name: 'build-kept',
    title: 'keeps the pod of a build for as long as the configuration says',
    alone: true,
    play: async (story) => {
      const gcDelayMs = 3_000
      await story.stage.killOperator()
      await story.stage.startOperator({ job: { gcDelay: `${gcDelayMs}ms` } })
      try {
        const node = await story.openNode()
        await pushBases(story)
        await createDockerfile(story)
        await story.create(containerImage(story), describeBuild(story))
        await untilMade(story)
        await story.until('the pod has ended', () => story.jobs.told.includes('BuildImage Succeeded'))
        await story.untilReady()
        await story.untilLoaded(node, 'kmm_demo')
        await story.untilCollected()
        const [{ finishedAtMs = 0, goneAtMs = 0 } = {}] = story.jobs.all
        expect(goneAtMs - finishedAtMs).toBeGreaterThanOrEqual(gcDelayMs)
      } finally {
        await story.stage.killOperator()
        await story.stage.startOperator()
      }
    },
  },
]
