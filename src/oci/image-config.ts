import type { Readable } from 'node:stream'
import { type Descriptor, refuseImage } from './manifest.ts'
import { isRecord } from './text.ts'

/** What KMM reads of an image's configuration. Architecture and system are what the builder wrote, not what the files are. */
export interface ImageConfig {
  architecture?: string
  os?: string
  labels: Readonly<Record<string, string>>
  /** The digests of the unpacked layers, the lowest first. */
  diffIds: string[]
}

/** Configurations larger than this are refused. */
const maximumConfigSize = 4 * 1024 * 1024

function readLabels(value: unknown): Record<string, string> {
  const entries = isRecord(value) ? Object.entries(value) : []
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

function parseConfig(bytes: Buffer, subject: string): ImageConfig {
  let document: unknown
  try {
    document = JSON.parse(bytes.toString('utf8'))
  } catch {
    return refuseImage(subject, 'its configuration is not JSON')
  }
  if (!isRecord(document)) return refuseImage(subject, 'its configuration is not a JSON object')
  const { architecture, os, config, rootfs } = document
  const diffIds: unknown = isRecord(rootfs) ? rootfs['diff_ids'] : undefined
  return {
    ...(typeof architecture === 'string' && architecture !== '' ? { architecture } : {}),
    ...(typeof os === 'string' && os !== '' ? { os } : {}),
    labels: readLabels(isRecord(config) ? config['Labels'] : undefined),
    diffIds: Array.isArray(diffIds) ? diffIds.filter((id): id is string => typeof id === 'string') : [],
  }
}

/** Reads an image's configuration by way of `open`. Throws ImageInvalid when it is larger than 4 MiB or no JSON object. */
export async function readImageConfig(
  descriptor: Descriptor,
  subject: string,
  open: () => Promise<Readable>,
): Promise<ImageConfig> {
  return parseConfig(await readConfigBytes(descriptor, subject, open), subject)
}

/** Reads the bytes of an image's configuration by way of `open`. Throws ImageInvalid when there are more than 4 MiB of them. */
export async function readConfigBytes(
  descriptor: Descriptor,
  subject: string,
  open: () => Promise<Readable>,
): Promise<Buffer> {
  if (descriptor.size > maximumConfigSize)
    refuseImage(subject, `its configuration is larger than ${maximumConfigSize} bytes`)
  const chunks: Buffer[] = []
  for await (const chunk of (await open()) as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}
