import { join } from 'node:path'
import type { PreflightModuleStatus, PreflightValidation } from '../../src/api/preflight-validation.ts'
import type { ModuleImagesConfig } from '../../src/api/module-images-config.ts'
import { readModulesTree } from '../../src/cli/demo/modules-image.ts'
import { findPreflight } from '../../src/controllers/cluster/images-config.ts'
import { hasCode } from '../../src/errors/error.ts'
import type { ImageFile } from '../../src/oci/image-builder.ts'
import { type Cluster, exampleFiles } from './cluster.ts'
import { type Scene, toEntries } from './scene.ts'
import { moduleResource, preflightResource } from './view.ts'

/** A kernel for which examples/kmod holds compiled modules, and that no node of a scene runs. */
export const kernel55 = '6.1.0-55-amd64'

/** The image of the scene's Module for each kernel, as its author writes it. */
export const containerImage = (scene: Scene): string => scene.image('${KERNEL_FULL_VERSION}')

/** The compiled modules for one kernel, put where an image has them for another. */
export const misplacedFiles = (kernel: string, as: string): Promise<Record<string, ImageFile>> =>
  readModulesTree(join('examples/kmod/prebuilt', kernel), as)

/** Asks whether all Modules would have an image for a kernel. */
export async function createPreflight(
  { cluster }: Scene,
  name: string,
  spec: Partial<PreflightValidation['spec']> = {},
): Promise<PreflightValidation> {
  return cluster.sandbox.client.create(preflightResource, {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta2',
    kind: 'PreflightValidation',
    metadata: { name },
    spec: { kernelVersion: kernel55, ...spec },
  })
}

export async function deletePreflight({ cluster }: Pick<Scene, 'cluster'>, name: string): Promise<void> {
  await cluster.sandbox.client.delete(preflightResource, { name })
}

/** Deletes all preflights and Modules: every preflight is about all Modules, and a test must not see those of the one before. */
export async function removeAll(cluster: Cluster): Promise<void> {
  const { sandbox, view } = cluster
  const { client } = sandbox
  // The test itself may have deleted one, which goes when its finalizer is off.
  const remove = async (deletion: Promise<unknown>): Promise<void> => {
    await deletion.catch((error: unknown) => {
      if (!hasCode(error, 'NotFound')) throw error
    })
  }
  // What there is says the server: a view may lag, and show what is gone.
  for (const { metadata } of (await client.list(preflightResource)).items)
    await remove(deletePreflight({ cluster }, metadata.name))
  for (const { metadata } of (await client.list(moduleResource)).items)
    await remove(client.delete(moduleResource, metadata))
  await cluster.caughtUp()
  await cluster.until('all are gone', () => view.modules.list().length + view.images.list().length === 0)
}

/** What a preflight says of a Module of the scene. */
export const findEntry = (
  { cluster, name: namespace }: Scene,
  preflight: string,
  module = 'demo',
): PreflightModuleStatus | undefined =>
  cluster.view.preflights
    .get({ name: preflight })
    ?.status?.modules?.find((entry) => entry.namespace === namespace && entry.name === module)

/** Waits until a preflight says this of a Module of the scene, with these words in its reason; answers the entry. */
export async function untilVerified(
  scene: Scene,
  preflight: string,
  result: PreflightModuleStatus['verificationStatus'],
  { words = '', module = 'demo' }: { words?: string; module?: string } = {},
): Promise<PreflightModuleStatus> {
  let found: PreflightModuleStatus | undefined
  const holds = (): boolean => {
    found = findEntry(scene, preflight, module)
    return found?.verificationStatus === result && (found.statusReason ?? '').includes(words)
  }
  await scene.until(`${preflight} says ${result} of ${module}: ${words}`, holds).catch((error: unknown) => {
    throw new Error(`it says ${JSON.stringify(found)} ${JSON.stringify(listConfigs(scene, preflight))}`, {
      cause: error,
    })
  })
  return found as PreflightModuleStatus
}

/** The ModuleImagesConfigs of a preflight in the scene's namespace. */
export const listConfigs = ({ cluster, name }: Scene, preflight: string): ModuleImagesConfig[] =>
  cluster.view.images
    .list()
    .filter((config) => config.metadata.namespace === name && findPreflight(config)?.name === preflight)

/** Waits until a preflight has so many ModuleImagesConfigs in the scene's namespace: their watch may lag behind its own. */
export async function untilConfigs(scene: Scene, preflight: string, count: number): Promise<ModuleImagesConfig[]> {
  const find = (): ModuleImagesConfig[] => listConfigs(scene, preflight)
  await scene.until(`${count} ModuleImagesConfigs of ${preflight}`, () => find().length === count)
  return find()
}

/** The tags in the scene's repository, sorted. */
export async function listTags({ cluster, repository }: Scene): Promise<string[]> {
  const answer = await fetch(`http://${cluster.sandbox.registry.address}/v2/${repository}/tags/list`)
  const { tags } = (await answer.json()) as { tags: string[] }
  return tags.toSorted()
}

/** Pushes the image for a kernel, with the modules that are compiled for it unless others are given. */
export async function pushFor(scene: Scene, kernel = kernel55, files?: Record<string, ImageFile>): Promise<string> {
  const { image } = await scene.pushImage(kernel, toEntries(files ?? (await exampleFiles(kernel))))
  return image
}
