import type { LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import { openVerifiedBlob } from './blob.ts'
import { createEmptyCredentials, type CredentialStore } from './credentials.ts'
import { walkEndpoints } from './endpoint-walk.ts'
import { type ImageConfig, readImageConfig } from './image-config.ts'
import { type Descriptor, type ImageManifest, parseManifest, type Platform, refuseImage } from './manifest.ts'
import { fetchManifest, fetchManifestHead, type ManifestHead, type RawManifest } from './manifest-request.ts'
import { isForeignLayer } from './media-types.ts'
import { type Endpoint, listEndpoints } from './mirrors.ts'
import { selectPlatform } from './platform.ts'
import { formatReference, type Reference } from './reference.ts'
import { defaultRetryPolicy, type RetryPolicy } from './retry.ts'
import { createSession, type Session, type SessionContext } from './session.ts'
import type { RegistrySettings, RegistryTls } from './settings.ts'
import { createTokenCache, type TokenCache } from './token-cache.ts'
import { createTransport, type TimeLimits } from './transport.ts'
import { createUploader, type Uploader } from './upload.ts'

/** An image for one platform. `digest` is that of its own manifest, `indexDigest` of the index that led to it. */
export interface ResolvedImage {
  digest: string
  indexDigest?: string
  manifest: ImageManifest
  config: Descriptor
  layers: Descriptor[]
}

/**
 * Reads images from registries and their mirrors. Everything throws KmmError: ImageNotFound, RegistryUnauthorized,
 * RegistryUnreachable, ImageInvalid, or Aborted when the signal is.
 */
export interface Registry {
  /** Asks whether a manifest is there, by HEAD where the registry allows it. */
  headManifest(reference: Reference, signal?: AbortSignal): Promise<ManifestHead>
  /** Reads a manifest or index as it is, digest verified. */
  getManifest(reference: Reference, signal?: AbortSignal): Promise<RawManifest>
  /** Finds the image of a platform, through an index where there is one. */
  resolveImage(reference: Reference, platform: Platform, signal?: AbortSignal): Promise<ResolvedImage>
  /** Streams a layer or configuration; the stream fails with ImageInvalid when size or digest are wrong. */
  openBlob(reference: Reference, descriptor: Descriptor, signal?: AbortSignal): Promise<Readable>
  /** Reads the configuration of an image that was resolved; at most 4 MiB. */
  readConfig(reference: Reference, image: Pick<ResolvedImage, 'config'>, signal?: AbortSignal): Promise<ImageConfig>
  /** The writing half, for the repository of a reference; mirrors play no part. */
  uploaderFor(reference: Reference): Uploader
  /** Ends all connections; work in progress fails with Aborted. */
  close(): Promise<void>
}

/** What a registry client needs. `tls` is that of the image's own registry; mirrors have theirs in the settings. */
export interface RegistryOptions {
  settings: RegistrySettings
  tls: RegistryTls
  credentials?: CredentialStore
  /** Shared between clients to spare token requests. */
  tokens?: TokenCache
  retries?: Partial<RetryPolicy>
  limits?: Partial<TimeLimits>
  userAgent?: string
  /** Replaces DNS, in tests. */
  lookup?: LookupFunction
}

interface Client {
  context: SessionContext
  sessionsFor(reference: Reference): Session[]
  /** Endpoint and digest of blobs that turned out wrong: such an endpoint is not asked for them again. */
  damaged: Set<string>
}

const mirrorAttempts = 2
const maximumIndexDepth = 2
const maximumDamaged = 1000

function createClient(options: RegistryOptions): Client {
  const { settings, tls, lookup, limits } = options
  const context: SessionContext = {
    transport: createTransport({ settings, ...(limits ? { limits } : {}), ...(lookup ? { lookup } : {}) }),
    credentials: options.credentials ?? createEmptyCredentials(),
    schemes: new Map(),
    tokens: options.tokens ?? createTokenCache(),
    retries: { ...defaultRetryPolicy, ...options.retries },
    userAgent: options.userAgent ?? 'kmm',
  }
  const { attempts } = context.retries
  const mirrorContext = { ...context, retries: { ...context.retries, attempts: Math.min(attempts, mirrorAttempts) } }
  const sessionFor = (endpoint: Endpoint): Session =>
    createSession(endpoint.isMirror ? mirrorContext : context, endpoint)
  return {
    context,
    damaged: new Set(),
    sessionsFor: (reference) => listEndpoints(reference, settings, tls).map(sessionFor),
  }
}

async function resolve(
  getManifest: Registry['getManifest'],
  reference: Reference,
  platform: Platform,
  signal: AbortSignal | undefined,
): Promise<ResolvedImage> {
  const subject = `image ${formatReference(reference)}`
  let raw = await getManifest(reference, signal)
  const indexDigest = raw.digest
  for (let depth = 0; depth <= maximumIndexDepth; depth += 1) {
    const parsed = parseManifest(raw.bytes, raw.mediaType, subject)
    if (parsed.kind === 'manifest')
      return {
        digest: raw.digest,
        ...(raw.digest === indexDigest ? {} : { indexDigest }),
        manifest: parsed,
        config: parsed.config,
        layers: parsed.layers,
      }
    const entry = selectPlatform(parsed, platform, subject)
    raw = await getManifest({ ...reference, digest: entry.digest }, signal)
    if (raw.bytes.length !== entry.size)
      refuseImage(
        subject,
        `its index says ${entry.size} bytes of manifest ${entry.digest}, which has ${raw.bytes.length}`,
      )
  }
  return refuseImage(subject, `its indexes are nested more than ${maximumIndexDepth} deep`)
}

async function openBlob(
  client: Client,
  reference: Reference,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<Readable> {
  const subject = `blob ${descriptor.digest} of image ${formatReference(reference)}`
  if (isForeignLayer(descriptor.mediaType))
    refuseImage(subject, 'it is a foreign layer, whose bytes are not in the registry')
  const all = client.sessionsFor(reference)
  const nameOf = ({ endpoint }: Session): string => `${endpoint.reference.registry} ${descriptor.digest}`
  const sound = all.filter((session) => !client.damaged.has(nameOf(session)))
  return walkEndpoints(sound.length > 0 ? sound : all, (session) =>
    openVerifiedBlob({
      session,
      descriptor,
      subject,
      retries: client.context.retries,
      limits: client.context.transport.limits,
      signal,
      onInvalid: () => {
        if (client.damaged.size >= maximumDamaged) client.damaged.clear()
        client.damaged.add(nameOf(session))
      },
    }),
  )
}

/** Makes a client for any number of registries that share settings and credentials. Close it when done. */
export function createRegistry(options: RegistryOptions): Registry {
  const client = createClient(options)
  const { transport } = client.context
  const ask = <T>(
    reference: Reference,
    signal: AbortSignal | undefined,
    fetchFrom: (request: Parameters<typeof fetchManifest>[0]) => Promise<T>,
  ): Promise<T> => {
    const subject = `image ${formatReference(reference)}`
    return walkEndpoints(client.sessionsFor(reference), (session) =>
      fetchFrom({ session, subject, limits: transport.limits, signal }),
    )
  }
  const getManifest: Registry['getManifest'] = (reference, signal) => ask(reference, signal, fetchManifest)

  return {
    headManifest: (reference, signal) => ask(reference, signal, fetchManifestHead),
    getManifest,
    resolveImage: (reference, platform, signal) => resolve(getManifest, reference, platform, signal),
    openBlob: (reference, descriptor, signal) => openBlob(client, reference, descriptor, signal),
    readConfig: (reference, { config }, signal) =>
      readImageConfig(config, `image ${formatReference(reference)}`, () => openBlob(client, reference, config, signal)),
    uploaderFor: (reference) => {
      const endpoint = { reference, tls: options.tls, isMirror: false }
      return createUploader(createSession(client.context, endpoint), `${reference.registry}/${reference.repository}`)
    },
    close: () => transport.close(),
  }
}
