import { randomBytes } from 'node:crypto'
import { builtInStrategies } from './built-in-strategies.ts'
import { definitionStrategy } from './definition-strategy.ts'
import { followDefinitions } from './custom-resources.ts'
import { versionOf } from './discovery/version.ts'
import { OpenApi } from './discovery/openapi.ts'
import { acceptAll, type AdmissionPlugin, type Validator } from './hooks.ts'
import { WritePipeline } from './pipeline.ts'
import { Registry } from './registry.ts'
import { Pages } from './rest/pages.ts'
import type { LogSource } from './rest/pod-subresources.ts'
import { Reads } from './rest/read.ts'
import { Renderer } from './rest/render.ts'
import { Watches } from './rest/watch.ts'
import { Writes } from './rest/write.ts'
import { Store } from './store.ts'
import type { WebhookOptions } from './webhook-call.ts'

/** What validates and admits writes. */
export interface Extensions {
  validator: Validator
  plugins: readonly AdmissionPlugin[]
}

/** How the parts of a server are set. */
export interface ServiceOptions extends WebhookOptions {
  /** Epoch milliseconds; the system's clock by default. */
  now?: () => number
  newUid?: () => string
  /** Makes validation and admission, which read the store. Without it everything is accepted. */
  extend?: (store: Store) => Extensions
  /** As `v1.33.4`: a cluster that lacks the kinds that came later; the release that is imitated by default. */
  gitVersion?: string
  /** Where `pods/…/log` comes from; 501 without it. */
  logSource?: LogSource
  /** How many changes of each kind a watch can go back; 4,000 by default. */
  historySize?: number
  /** A minute by default, as with the real server. */
  bookmarkIntervalMs?: number
  /** A watch whose client leaves more than this unread is cut; 8 MiB by default. */
  maxUnreadBytes?: number
  /** How long an unfinished list in pages is kept; five minutes by default. */
  continueMs?: number
}

/** The parts of a server that do not know of HTTP connections. */
export interface Service {
  store: Store
  registry: Registry
  pipeline: WritePipeline
  renderer: Renderer
  pages: Pages
  watches: Watches
  reads: Reads
  writes: Writes
  openApi: OpenApi
  logSource: LogSource | undefined
  /** What `/version` answers. */
  readonly version: ReturnType<typeof versionOf>
  /** Becomes another release, as when a cluster is upgraded. */
  becomeRelease(gitVersion: string): void
  now(): number
}

const suffixLetters = 'bcdfghjklmnpqrstvwxz2456789'

/** Five characters for a generated name, without vowels, as Kubernetes makes them. */
function newSuffix(): string {
  return [...randomBytes(5)].map((byte) => suffixLetters[byte % suffixLetters.length]).join('')
}

/** Makes an empty server: the built-in kinds and no object. */
export function createService(options: ServiceOptions): Service {
  const now = options.now ?? Date.now
  const newUid = options.newUid ?? ((): string => crypto.randomUUID())
  const store = new Store({ now, newUid, historySize: options.historySize ?? 4000 })
  const strategies = {
    ...builtInStrategies,
    'customresourcedefinitions.apiextensions.k8s.io': definitionStrategy(now),
  }
  const registry = new Registry(store, strategies)
  followDefinitions(store, registry, options)
  const { validator, plugins } = options.extend?.(store) ?? { validator: acceptAll, plugins: [] }
  const pipeline = new WritePipeline({ store, validator, plugins, newSuffix })
  const renderer = new Renderer(now)
  const pages = new Pages({ now, maxAgeMs: options.continueMs ?? 300_000, maxCount: 100 })
  const watches = new Watches(store, renderer, {
    bookmarkIntervalMs: options.bookmarkIntervalMs ?? 60_000,
    maxUnreadBytes: options.maxUnreadBytes ?? 8 * 1024 * 1024,
  })
  const reads = new Reads({ store, renderer, pages, watches })
  const writes = new Writes({ pipeline, renderer, reads })
  const openApi = new OpenApi(registry)
  const { logSource } = options
  let version = versionOf(options.gitVersion)
  const becomeRelease = (gitVersion: string): void => {
    version = versionOf(gitVersion)
    registry.becomeRelease(Number(version.minor))
  }
  becomeRelease(version.gitVersion)
  const parts = { store, registry, pipeline, renderer, pages, watches, reads, writes, openApi, logSource, now }
  return {
    ...parts,
    becomeRelease,
    get version() {
      return version
    },
  }
}
