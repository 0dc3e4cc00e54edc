import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode, KmmError } from '../errors/error.ts'
import type { ImageManifest, Platform } from '../oci/manifest.ts'
import type { RawManifest } from '../oci/manifest-request.ts'
import { formatReference, type Reference } from '../oci/reference.ts'
import type { Registry } from '../oci/registry.ts'
import { parseFileWishes } from './file-wish.ts'
import { collectImageFiles, type ImageFiles } from './image-files.ts'

/** An image in a registry; its client knows how that is reached. */
export interface ImagePlace {
  registry: Registry
  reference: Reference
}

/** Which files of which image are looked at. */
export interface ImageSelection {
  source: ImagePlace
  /** Where the image has variants for several platforms, the one that is meant. */
  platform: Platform
  /** Absolute paths and globs, variables substituted; none means every module below `dirName`. */
  filesToSign: readonly string[]
  /** All files have to lie below it; undefined where they may lie anywhere. */
  dirName: string | undefined
  /** A folder for temporary files: the modules and the new layer, nothing else. */
  workFolder: string
  log: (line: string) => void
  signal: AbortSignal
}

/** The image of one platform, with its manifest as it lies in the registry. */
export interface SourceImage {
  place: ImagePlace
  manifest: ImageManifest
  raw: RawManifest
}

/** An image whose files were found; `folder` is for temporary files and goes when the work is done. */
export interface WorkingImage {
  image: SourceImage
  files: ImageFiles
  folder: string
}

/** Finds the files of an image, hands them to `work`, and removes all copies when that has ended. */
export async function withImageFiles<T>(
  options: ImageSelection,
  work: (working: WorkingImage) => Promise<T>,
): Promise<T> {
  const { source, filesToSign, dirName, log, signal } = options
  const wishes = parseFileWishes(filesToSign, dirName)
  const image = await openImage(options)
  log(`${formatReference(source.reference)} is ${image.raw.digest}, with ${image.manifest.layers.length} layers.`)
  const folder = await mkdtemp(join(options.workFolder, 'kmm-sign-'))
  try {
    const layers = image.manifest.layers.map((descriptor) => ({
      descriptor,
      open: (stop: AbortSignal) => source.registry.openBlob(image.place.reference, descriptor, stop),
    }))
    const files = await collectImageFiles({ layers, wishes, dirName, folder, log, signal })
    return await work({ image, files, folder })
  } catch (error) {
    throw nameImage(error, source.reference)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function openImage({ source, platform, signal }: ImageSelection): Promise<SourceImage> {
  const { registry, reference } = source
  const { digest, manifest } = await registry.resolveImage(reference, platform, signal)
  const place = { registry, reference: { ...reference, digest } }
  return { place, manifest, raw: await registry.getManifest(place.reference, signal) }
}

/** Says of which image something is wrong, where the message does not. */
function nameImage(error: unknown, reference: Reference): unknown {
  const name = `${reference.registry}/${reference.repository}`
  if (!hasCode(error, 'FilesToSignInvalid', 'ModuleFileInvalid', 'ImageInvalid', 'LimitExceeded')) return error
  if (error.message.includes(name)) return error
  const { message, code, fate, cause } = error
  return new KmmError(`image ${formatReference(reference)}: ${message}`, { code, fate, cause })
}
