import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { computeDigest } from '../../../src/oci/digest.ts'
import { extractImage } from '../../../src/oci/extract.ts'
import { assembleImage } from '../../../src/oci/image-builder.ts'
import type { Descriptor } from '../../../src/oci/manifest.ts'
import { mediaTypes } from '../../../src/oci/media-types.ts'
import { pushImage } from '../../../src/oci/push.ts'
import { formatReference, parseReference } from '../../../src/oci/reference.ts'
import { BuildahFailure, type Flags, need } from './flags.ts'
import { complain } from './output.ts'
import { explainPull, explainPush, openRegistry, parseImage } from './registry.ts'

/** An image without its blobs, which are files of the store. */
export interface StoredImage {
  layers: Descriptor[]
  diffIds: string[]
  labels: Readonly<Record<string, string>>
  architecture: string
}

const blobFile = (flags: Flags, digest: string): string => join(need(flags, 'root'), digest.replace(':', '-'))

/** Pulls an image and unpacks it into a folder. */
export async function pull(flags: Flags, name: string, folder: string): Promise<StoredImage> {
  const reference = parseImage(name)
  const { arch: architecture = 'amd64' } = flags
  complain(`Trying to pull ${formatReference(reference)}...`)
  const signal = new AbortController().signal
  const registry = openRegistry(flags, reference)
  try {
    const image = await registry.resolveImage(reference, { os: 'linux', architecture }, signal)
    const { labels, diffIds } = await registry.readConfig(reference, image, signal)
    for (const descriptor of image.layers)
      await pipeline(
        await registry.openBlob(reference, descriptor, signal),
        createWriteStream(blobFile(flags, descriptor.digest)),
      )
    const open = (digest: string) => () => Promise.resolve(createReadStream(blobFile(flags, digest)))
    const layers = image.layers.map((descriptor) => ({ descriptor, open: open(descriptor.digest) }))
    await extractImage({ layers, destination: folder, wanted: ['/'], signal })
    return { layers: image.layers, diffIds, labels, architecture }
  } catch (error) {
    throw explainPull(reference, error)
  } finally {
    await registry.close()
  }
}

/** Adds a layer to an image. */
export async function addLayer(flags: Flags, image: StoredImage, archive: Buffer): Promise<StoredImage> {
  const digest = computeDigest(archive)
  await writeFile(blobFile(flags, digest), archive)
  const layer = { mediaType: mediaTypes.layer, digest, size: archive.length }
  return { ...image, layers: [...image.layers, layer], diffIds: [...image.diffIds, digest] }
}

function assemble({ layers, diffIds, labels, architecture }: StoredImage) {
  const blobs = layers.map((descriptor) => ({ descriptor, data: Buffer.alloc(0) }))
  return assembleImage(blobs, diffIds, { labels, architecture })
}

/** Keeps an image in the store; answers its ID. */
export async function save(flags: Flags, image: StoredImage): Promise<string> {
  const id = assemble(image).config.descriptor.digest
  await mkdir(need(flags, 'root'), { recursive: true })
  await writeFile(`${blobFile(flags, id)}.json`, JSON.stringify(image))
  return id
}

/** Pushes an image of the store to `docker://…`; answers its digest. */
export async function push(flags: Flags, id: string, target: string): Promise<string> {
  const file = `${blobFile(flags, id)}.json`
  if (!existsSync(file)) throw new BuildahFailure(`${id}: image not known`)
  const { config, manifest, digest, ...image } = assemble(JSON.parse(await readFile(file, 'utf8')) as StoredImage)
  const reference = parseReference(target.replace('docker://', ''))
  const registry = openRegistry(flags, reference)
  const layers = image.layers.map(({ descriptor }) => ({
    descriptor,
    data: () => createReadStream(blobFile(flags, descriptor.digest)),
  }))
  try {
    return (await pushImage(registry, reference, { digest, manifest, config, layers })).digest
  } catch (error) {
    throw explainPush(id, reference, error)
  } finally {
    await registry.close()
  }
}
