import type { ModuleImageSpec } from '../../../api/module-images-config.ts'
import type { Build } from '../../../api/module.ts'
import { listBaseImages } from '../../../image/dockerfile.ts'
import { listBuildArguments } from '../../../kernel/build-arguments.ts'
import type { RegistryTools } from '../read-credentials.ts'
import { resolveBaseImages } from './base-images.ts'
import { listBuildSecrets } from './build-secrets.ts'
import { hashParts } from './hash-parts.ts'
import type { JobSources } from './job-sources.ts'
import type { BuildInputs } from './job.ts'
import { parseTarget } from './job-name.ts'
import { missingInput, type NamedObject, readConfigMapEntry, readSecret } from './read-object.ts'

/** It travels as an annotation of the build pod; all annotations of an object may have 256 KiB. */
const mostDockerfileBytes = 200 * 1024
/** More registries than this are not asked; which images there are is in the hash all the same. */
const mostBases = 32

const describeLength = ({ namespace, name }: NamedObject): string =>
  `the Dockerfile in ConfigMap ${namespace}/${name} is longer than ${mostDockerfileBytes / 1024} KiB: put what it writes into a base image`

/**
 * Reads what an image is built from: the Dockerfile, the versions of the secrets, the digests of the base images. Throws
 * ConfigurationInvalid for what is missing, ReferenceInvalid for an image that cannot be built.
 */
export async function readBuildInputs(
  spec: ModuleImageSpec,
  build: Build,
  sources: JobSources,
  tools: RegistryTools,
): Promise<BuildInputs> {
  parseTarget(spec.image)
  const { namespace, module, tolerations, architecture } = sources
  const map = { namespace, name: build.dockerfileConfigMap.name ?? '', field: 'build.dockerfileConfigMap' }
  const [dockerfile, ...versions] = await Promise.all([
    readConfigMapEntry(map, 'dockerfile', tools),
    ...listBuildSecrets(build.secrets ?? []).map(async (name) => {
      const { version } = await readSecret({ namespace, name, field: 'build.secrets' }, tools)
      return `${name} ${version}`
    }),
  ])
  if (Buffer.byteLength(dockerfile) > mostDockerfileBytes) throw missingInput(describeLength(map))
  const values = listBuildArguments(build.buildArgs ?? [], spec.kernelVersion, module)
  const given = new Map(values.map(({ name, value }) => [name, value]))
  const bases = await resolveBaseImages(
    listBaseImages(dockerfile, given).slice(0, mostBases),
    build.baseImageRegistryTLS,
    sources,
    tools,
  )
  const ordered = values.map(({ name, value }) => [name, value])
  return {
    dockerfile,
    hash: hashParts('build', dockerfile, ordered, versions, spec.kernelVersion, bases),
    setup: hashParts('build', build.baseImageRegistryTLS, spec.registryTLS, build.selector, tolerations, architecture),
    unresolved: bases.filter(({ digest }) => digest === '').map(({ image }) => image),
  }
}
