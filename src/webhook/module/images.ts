import type { Build, KernelMapping, ModuleLoaderContainer } from '../../api/module.ts'
import { nonEmpty } from '../../kernel/merge.ts'
import { quote } from './finding.ts'
import { matchesSeveral } from './patterns.ts'
import { variesByKernel } from './variables.ts'

/** Tags that move, images that kernels share without meaning to, and what the builder ignores. */
export function warnOfImages(container: ModuleLoaderContainer, path: string): string[] {
  return [...warnOfLatest(container, path), ...warnOfSharing(container, path), ...warnOfBuilder(container, path)]
}

/** The rules refuse an image without a colon: there is nothing to warn of. */
const ofRules = (image: string | undefined): string | undefined => (image?.includes(':') ? image : undefined)

function warnOfLatest(container: ModuleLoaderContainer, path: string): string[] {
  const places: [image: string | undefined, path: string][] = [
    [ofRules(container.containerImage), `${path}.containerImage`],
    [container.sign?.unsignedImage, `${path}.sign.unsignedImage`],
    ...container.kernelMappings.flatMap(({ containerImage, sign }, index): [string | undefined, string][] => [
      [ofRules(containerImage), `${path}.kernelMappings[${index}].containerImage`],
      [sign?.unsignedImage, `${path}.kernelMappings[${index}].sign.unsignedImage`],
    ]),
  ]
  return places.flatMap(([image, at]) => {
    if (image === undefined || image === '' || !isLatest(image)) return []
    return [
      `${at}: ${quote(image)} has the tag latest, so nodes get whatever it is at their next boot; name a version or a digest`,
    ]
  })
}

/** Without a tag it is `latest`: the colon that the rules ask for may be that of a port, and unsigned images need none. */
function isLatest(image: string): boolean {
  if (image.includes('@')) return false
  const last = image.slice(image.lastIndexOf('/') + 1)
  return last.endsWith(':latest') || !last.includes(':')
}

interface Use {
  index: number
  image: string
  isSeveral: boolean
  verb: 'built' | 'signed' | undefined
}

function describeUse(container: ModuleLoaderContainer, mapping: KernelMapping, index: number): Use {
  const isBuilt = (mapping.build ?? container.build) !== undefined
  const isSigned = (mapping.sign ?? container.sign) !== undefined
  return {
    index,
    image: nonEmpty(mapping.containerImage) ?? container.containerImage ?? '',
    isSeveral: nonEmpty(mapping.regexp) !== undefined && matchesSeveral(mapping.regexp ?? ''),
    verb: isBuilt ? 'built' : isSigned ? 'signed' : undefined,
  }
}

/** The same image for several kernels may hold modules for all of them, but nobody can build it for one after the other. */
function warnOfSharing(container: ModuleLoaderContainer, path: string): string[] {
  const uses = container.kernelMappings
    .map((mapping, index) => describeUse(container, mapping, index))
    .filter(({ image }) => image !== '' && !variesByKernel(image))
  const seen = new Set<string>()
  return uses.flatMap(({ index, image, isSeveral, verb }) => {
    const isShared = isSeveral || seen.has(image)
    seen.add(image)
    if (!isShared) return []
    const why =
      verb === undefined
        ? 'it must hold the modules of every one of them'
        : `it is ${verb} for the first of them alone, and the others get modules that do not fit`
    return [
      `${path}.kernelMappings[${index}]: several kernels share the image ${quote(image)}: ${why}; add \${KERNEL_FULL_VERSION} to its tag`,
    ]
  })
}

function warnOfBuilder(container: ModuleLoaderContainer, path: string): string[] {
  const builds: [build: Build | undefined, path: string][] = [
    [container.build, `${path}.build`],
    ...container.kernelMappings.map(({ build }, index): [Build | undefined, string] => [
      build,
      `${path}.kernelMappings[${index}].build`,
    ]),
  ]
  return builds
    .filter(([build]) => build?.kanikoParams !== undefined)
    .map(
      ([, at]) =>
        `${at}.kanikoParams: is ignored, as images are not built by kaniko; the operator's configuration names the builder`,
    )
}
