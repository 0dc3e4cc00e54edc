import { digestOf } from './blob-store.ts'
import type { RegistryState } from './handlers.ts'
import { buildLayer } from './layer.ts'
import { mediaTypes } from './repositories.ts'
import type { PushedImage, PushImage, PushIndex } from './types.ts'

const fixedTime = '2024-01-01T00:00:00Z'

async function putBlob(
  state: RegistryState,
  repository: string,
  bytes: Buffer,
): Promise<{ digest: string; size: number }> {
  const stored = await state.blobs.put(bytes)
  state.repositories.addBlob(repository, stored.digest)
  return stored
}

/** Puts an image into the registry without HTTP: packs its layers, writes its configuration and manifest, tags it. */
export async function pushImage(state: RegistryState, address: string, image: PushImage): Promise<PushedImage> {
  const docker = image.docker ?? false
  const built = await Promise.all(image.layers.map((layer) => buildLayer(layer, docker)))
  const layers = await Promise.all(
    built.map(async ({ bytes, mediaType, annotations }) => ({
      mediaType,
      ...(await putBlob(state, image.repository, bytes)),
      ...(annotations === undefined ? {} : { annotations }),
    })),
  )
  const configuration = {
    created: fixedTime,
    architecture: image.architecture ?? 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: built.map(({ tar }) => digestOf(tar)) },
    ...image.config,
  }
  const config = {
    mediaType: docker ? mediaTypes.dockerConfig : mediaTypes.ociConfig,
    ...(await putBlob(state, image.repository, Buffer.from(JSON.stringify(configuration)))),
  }
  const mediaType = docker ? mediaTypes.dockerManifest : mediaTypes.ociManifest
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }))
  const { digest } = state.repositories.put(image.repository, image.tag ?? digestOf(bytes), mediaType, bytes)
  const suffix = image.tag === undefined ? `@${digest}` : `:${image.tag}`
  return {
    image: `${address}/${image.repository}${suffix}`,
    digest,
    size: bytes.length,
    mediaType,
    layers: layers.map(({ digest: layer, size, mediaType: type }) => ({ digest: layer, size, mediaType: type })),
    config,
  }
}

/** Puts an index over images that are in the same repository already, under a tag. */
export function pushIndex(state: RegistryState, address: string, index: PushIndex): { image: string; digest: string } {
  const mediaType = index.docker === true ? mediaTypes.dockerList : mediaTypes.ociIndex
  const manifests = index.images.map(({ architecture, variant, image }) => ({
    mediaType: image.mediaType,
    digest: image.digest,
    size: image.size,
    platform: { architecture, os: 'linux', ...(variant === undefined ? {} : { variant }) },
  }))
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
  const { digest } = state.repositories.put(index.repository, index.tag, mediaType, bytes)
  return { image: `${address}/${index.repository}:${index.tag}`, digest }
}
