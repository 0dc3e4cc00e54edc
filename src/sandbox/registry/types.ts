import type { IncomingMessage } from 'node:http'

/** What a user of the registry may do in a repository. */
export type RegistryAction = 'pull' | 'push' | 'delete'

/** Credentials and where they are good; without `repositories` everywhere, without `actions` for everything. */
export interface RegistryUser {
  username: string
  password: string
  /** Repository names, or prefixes that end in `/`. */
  repositories?: readonly string[]
  actions?: readonly RegistryAction[]
}

/** How the registry asks for credentials; `anonymousPull` lists repositories (or prefixes with `/`) that need none. */
export type RegistryAuth =
  | { kind: 'none' }
  | { kind: 'basic'; users: readonly RegistryUser[]; anonymousPull?: readonly string[] }
  | {
      kind: 'token'
      users: readonly RegistryUser[]
      anonymousPull?: readonly string[]
      /** Default 300. */
      tokenLifetimeSeconds?: number
      /** Sends clients elsewhere for a token; default is `/token` on this server. */
      realm?: string
    }

/** What kind of thing a request asks for. */
export type RequestKind = 'ping' | 'token' | 'manifest' | 'blob' | 'upload' | 'tags' | 'catalog' | 'referrers' | 'other'

/** One request that the registry has answered, or is answering while `status` is 0. */
export interface RegistryRequest {
  method: string
  path: string
  kind: RequestKind
  repository: string
  /** Tag, digest or upload id; empty where the request names none. */
  reference: string
  readonly status: number
  authorization: 'none' | 'basic' | 'bearer' | 'other'
  /** The user that the credentials name, also when they are refused. */
  username: string
  userAgent: string
  range: string
}

/** What a fault does to the requests that it matches. */
export type FaultAction =
  /** 503 with an error body. */
  | { do: 'unavailable' }
  /** Any status, with the registry's error code and optional Retry-After seconds. */
  | { do: 'answer'; status: number; code?: string; retryAfter?: string }
  /** 429 TOOMANYREQUESTS. */
  | { do: 'tooManyRequests'; retryAfter?: string }
  /** 404 as if the manifest or blob were not there. */
  | { do: 'missing' }
  /** The connection is cut before any answer. */
  | { do: 'reset' }
  /** Headers and the first `afterBytes` bytes, then silence until the fault is lifted. */
  | { do: 'hang'; afterBytes?: number }
  /** Headers of the whole, then the connection is cut after `afterBytes`. */
  | { do: 'truncate'; afterBytes: number }
  /** One byte of the body is changed. */
  | { do: 'corrupt'; atByte?: number }
  /** The body comes at this speed. */
  | { do: 'slow'; bytesPerSecond: number }
  /** 307 to `location`, where `{path}` stands for the request's path and query. */
  | { do: 'redirect'; location: string }

/** A fault and which requests it strikes; a missing field matches all. */
export interface Fault {
  action: FaultAction
  kind?: RequestKind
  method?: string
  repository?: string
  reference?: string
  /** How many requests it strikes before it lifts itself; default without end. */
  times?: number
}

/** An entry of a layer that the push helper builds. A name that ends in `/` is a directory. */
export interface LayerEntry {
  name: string
  content?: Buffer | string
  mode?: number
  /** `link` is a hard link. Default: `file`, or `directory` for a name with a slash at its end. */
  type?: 'file' | 'directory' | 'symlink' | 'link' | 'character-device' | 'block-device' | 'fifo'
  linkname?: string
  uid?: number
  gid?: number
}

/** A layer: entries to pack, or ready-made bytes with their media type. */
export type LayerInput =
  | { entries: readonly LayerEntry[]; compression?: 'gzip' | 'none' }
  | { bytes: Buffer; mediaType: string; annotations?: Record<string, string> }

/** An image to put into the registry. */
export interface PushImage {
  repository: string
  tag?: string
  layers: readonly LayerInput[]
  /** Default amd64. */
  architecture?: string
  /** Extra fields of the image's configuration, such as `config.Labels`. */
  config?: Record<string, unknown>
  /** Docker's media types instead of OCI's. */
  docker?: boolean
}

/** What a push has put where. */
export interface PushedImage {
  /** `address/repository:tag`, or `address/repository@digest` without a tag. */
  image: string
  digest: string
  size: number
  mediaType: string
  layers: readonly { digest: string; size: number; mediaType: string }[]
  config: { digest: string; size: number; mediaType: string }
}

/** A multi-architecture image: one manifest a platform, under one tag. */
export interface PushIndex {
  repository: string
  tag: string
  images: readonly { architecture: string; variant?: string; image: PushedImage }[]
  docker?: boolean
}

/** A request handler's view of a request: the route is parsed, the record is what the log keeps. */
export interface RegistryExchange {
  request: IncomingMessage
  record: RegistryRequest
  url: URL
}
