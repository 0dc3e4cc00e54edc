import { KmmError } from '../errors/error.ts'
import { isDigest } from './digest.ts'
import { findLayerCompression, isForeignLayer, isIndexType, isManifestType, mediaTypes } from './media-types.ts'
import { isRecord, quoteUntrusted } from './text.ts'

/** Points to content by digest; `size` in bytes. */
export interface Descriptor {
  mediaType: string
  digest: string
  size: number
}

/** What an image runs on, with Go's names: `linux`, `amd64`, `arm64`, and `v7` or the like as variant. */
export interface Platform {
  os: string
  architecture: string
  variant?: string
}

/** An entry of an index. */
export interface IndexEntry extends Descriptor {
  platform?: Platform
}

/** The manifest of one image: its configuration and its layers, the lowest first. */
export interface ImageManifest {
  kind: 'manifest'
  mediaType: string
  config: Descriptor
  layers: Descriptor[]
}

/** The manifests of one image for several platforms. */
export interface ImageIndex {
  kind: 'index'
  mediaType: string
  manifests: IndexEntry[]
}

/** Manifests larger than this are refused (the registries' own common limit). */
export const maximumManifestSize = 4 * 1024 * 1024
const maximumLayers = 1000
const maximumIndexEntries = 1000

/** Throws ImageInvalid with what is wrong about `subject`, such as `image quay.io/a/b:v1`. */
export function refuseImage(subject: string, why: string): never {
  throw new KmmError(`${subject} cannot be used: ${why}`, { code: 'ImageInvalid' })
}

function readDescriptor(value: unknown, subject: string, path: string): Descriptor {
  if (!isRecord(value)) refuseImage(subject, `${path} of its manifest is not an object`)
  const { mediaType, digest, size } = value
  if (typeof mediaType !== 'string' || mediaType.length > 255) refuseImage(subject, `${path}.mediaType is not a text`)
  if (typeof digest !== 'string' || !isDigest(digest))
    refuseImage(subject, `${path}.digest is not a sha256 or sha512 digest`)
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    refuseImage(subject, `${path}.size is not a number of bytes`)
  return { mediaType, digest, size }
}

function readPlatform(value: unknown): Platform | undefined {
  if (!isRecord(value)) return undefined
  const { os, architecture, variant } = value
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined
  return { os, architecture, ...(typeof variant === 'string' && variant !== '' ? { variant } : {}) }
}

function readIndexEntry(value: unknown, subject: string, path: string): IndexEntry {
  const platform = readPlatform(isRecord(value) ? value['platform'] : undefined)
  return { ...readDescriptor(value, subject, path), ...(platform ? { platform } : {}) }
}

function readLayer(value: unknown, subject: string, index: number): Descriptor {
  const path = `layers[${index}]`
  const layer = readDescriptor(value, subject, path)
  if (isForeignLayer(layer.mediaType))
    refuseImage(
      subject,
      `${path} is a foreign layer, whose bytes are not in the registry; push the image with all its layers`,
    )
  if (findLayerCompression(layer.mediaType) === undefined)
    refuseImage(
      subject,
      `${path} has the media type "${quoteUntrusted(layer.mediaType, 100)}", which is no image layer; build an image with tar, gzip or zstd layers`,
    )
  return layer
}

function readList(value: unknown, subject: string, path: string, limit: number): unknown[] {
  if (!Array.isArray(value)) refuseImage(subject, `${path} of its manifest is not a list`)
  if (value.length > limit) refuseImage(subject, `${path} of its manifest holds more than ${limit} entries`)
  return value
}

function parseJsonObject(bytes: Uint8Array, subject: string): Record<string, unknown> {
  let document: unknown
  try {
    document = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
  } catch {
    // The parser's words quote the text, which is a stranger's.
    return refuseImage(subject, 'its manifest is not JSON; is the host a registry?')
  }
  return isRecord(document) ? document : refuseImage(subject, 'its manifest is not a JSON object')
}

function isKnownType(mediaType: string): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType)
}

/** The media type that the document states, else the answer's header, else what its fields look like. */
function findMediaType(document: Record<string, unknown>, contentType: string, subject: string): string {
  const stated = typeof document['mediaType'] === 'string' ? document['mediaType'] : ''
  const header = contentType.split(';')[0]?.trim() ?? ''
  if (isKnownType(stated) && isKnownType(header) && isIndexType(stated) !== isIndexType(header))
    refuseImage(subject, `the registry calls its manifest "${header}", the manifest itself says "${stated}"`)
  if (stated !== '') return stated
  if (isKnownType(header)) return header
  return Array.isArray(document['manifests']) ? mediaTypes.index : mediaTypes.manifest
}

/**
 * Parses a manifest or an index from a registry. Throws ImageInvalid for schema 1, foreign or unknown layers, and whatever does
 * not hold together; `subject` names the image in the message.
 */
export function parseManifest(bytes: Uint8Array, contentType: string, subject: string): ImageManifest | ImageIndex {
  const document = parseJsonObject(bytes, subject)
  if (document['schemaVersion'] === 1 || contentType.includes('docker.distribution.manifest.v1+'))
    refuseImage(
      subject,
      'its manifest has the obsolete Docker schema 1; push it again with a current tool (docker, podman, buildah, kaniko)',
    )
  const mediaType = findMediaType(document, contentType, subject)
  if (isIndexType(mediaType)) {
    const entries = readList(document['manifests'], subject, 'manifests', maximumIndexEntries)
    const manifests = entries.map((entry, index) => readIndexEntry(entry, subject, `manifests[${index}]`))
    return { kind: 'index', mediaType, manifests }
  }
  if (!isManifestType(mediaType))
    refuseImage(subject, `its manifest has the media type "${quoteUntrusted(mediaType, 100)}", which is no image`)
  const layers = readList(document['layers'], subject, 'layers', maximumLayers)
  return {
    kind: 'manifest',
    mediaType,
    config: readDescriptor(document['config'], subject, 'config'),
    layers: layers.map((layer, index) => readLayer(layer, subject, index)),
  }
}
