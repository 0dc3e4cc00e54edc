import { expect } from 'vitest'
import type { ImageStatus } from '../../../../src/api/module-images-config.ts'
import type { PreflightModuleStatus } from '../../../../src/api/preflight-validation.ts'
import { preflightResource } from '../../../scenario/view.ts'
import type { TargetNode } from '../../target.ts'
import { exampleLayer } from '../images.ts'
import { createDockerfile, describeBuild, pushBases } from '../making.ts'
import type { Scenario } from '../scenario.ts'
import type { Story } from '../story.ts'

/** Asks whether all Modules would have an image for the kernel that no node runs yet. */
async function createPreflight(story: Story): Promise<void> {
  await story.target.client.create(preflightResource, {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta2',
    kind: 'PreflightValidation',
    metadata: { name: story.name },
    spec: { kernelVersion: story.otherRelease, pushBuiltImage: true },
  })
}

const findEntry = (story: Story): PreflightModuleStatus | undefined =>
  story.view.preflights.get({ name: story.name })?.status?.modules?.find(({ namespace }) => namespace === story.name)

/** Waits until the preflight says this of the Module; answers why. */
async function untilVerified(story: Story, result: PreflightModuleStatus['verificationStatus']): Promise<string> {
  await story.until(`the preflight says ${result}`, () => findEntry(story)?.verificationStatus === result)
  return findEntry(story)?.statusReason ?? ''
}

/** The digest of the image that the node was last told to load. */
const plannedDigest = (story: Story, node: TargetNode): string | undefined =>
  story.nmc(node)?.spec?.modules?.find(({ namespace }) => namespace === story.name)?.config.imageDigest

/** What is known of the images that the preflight asks about. */
const listVerified = (story: Story): readonly ImageStatus[] =>
  story.view.images.list().find(({ metadata: { namespace, name } }) => namespace === story.name && name !== 'demo')
    ?.status?.images ?? []

/** The digest of an image that the preflight has found; word of it may come after that of the preflight. */
async function untilFound(story: Story, image: string): Promise<string> {
  const find = (): string | undefined => listVerified(story).find((each) => each.image === image)?.digest
  await story.until(`the digest of ${image}`, () => find() !== undefined)
  return find() ?? ''
}

async function rebootInto(story: Story, node: TargetNode): Promise<void> {
  await node.reboot({ kernel: story.otherRelease })
  expect(await node.release()).toBe(story.otherRelease)
  const bootId = await node.bootId()
  await story.until('the module is loaded in the new boot', () =>
    story.nmc(node)?.status?.modules?.some((module) => module.bootId === bootId),
  )
  await story.untilReady()
  await story.untilLoaded(node, 'kmm_demo')
}

const imageFor = (story: Story, tag: string): string => `${story.target.registry.address}/${story.name}:${tag}`

const containerImage = (story: Story): string => imageFor(story, '${KERNEL_FULL_VERSION}')

/** Deletes the preflight, and sees that nothing is left of it. */
async function finish(story: Story): Promise<void> {
  await story.target.client.delete(preflightResource, { name: story.name })
  await story.until('nothing is left of the preflight', () => listVerified(story).length === 0)
}

export const preflightScenarios: readonly Scenario[] = [
  {
    name: 'preflight-build',
    title: 'builds in a preflight for a second Debian ABI the image that the node loads after its reboot into it',
    // A preflight is about the Modules of all scenarios.
    alone: true,
    play: async (story) => {
      const node = await story.openNode()
      await pushBases(story, [story.release, story.otherRelease])
      await createDockerfile(story)
      await story.create(containerImage(story), describeBuild(story))
      await story.untilReady()
      await createPreflight(story)
      expect(await untilVerified(story, 'Success')).toContain(`was built for ${story.otherRelease} `)
      expect(await story.target.registry.tags(story.name)).toEqual([story.release, story.otherRelease].sort())
      const digest = await untilFound(story, imageFor(story, story.otherRelease))
      await finish(story)
      await rebootInto(story, node)
      expect(plannedDigest(story, node)).toBe(digest)
      await story.untilCollected()
      expect(story.jobs.told).toEqual(['BuildImage Succeeded', 'BuildImage Succeeded'])
    },
  },
  {
    name: 'preflight-wrong-image',
    title:
      'finds in a preflight for a second Debian ABI the image of another kernel, which is mended before the reboot',
    alone: true,
    play: async (story) => {
      const node = await story.openNode()
      await story.push(story.release, await exampleLayer('prebuilt', story.release))
      const wrong = await exampleLayer('prebuilt', story.release, story.otherRelease)
      await story.push(`${story.otherRelease}-1`, wrong)
      const kernelMappings = [
        { literal: story.release, containerImage: containerImage(story) },
        { literal: story.otherRelease, containerImage: `${containerImage(story)}-1` },
      ]
      await story.create('', { kernelMappings })
      await story.untilReady()
      await createPreflight(story)
      expect(await untilVerified(story, 'Failure')).toContain(`, not for ${story.otherRelease}`)
      await story.push(`${story.otherRelease}-2`, await exampleLayer('prebuilt', story.otherRelease))
      const mended = { literal: story.otherRelease, containerImage: `${containerImage(story)}-2` }
      await story.patchContainer({ kernelMappings: [kernelMappings[0], mended] })
      await untilVerified(story, 'Success')
      const digest = await untilFound(story, imageFor(story, `${story.otherRelease}-2`))
      await finish(story)
      await rebootInto(story, node)
      expect(plannedDigest(story, node)).toBe(digest)
    },
  },
]
