import { builtInResources, notImitatedResources, servedSince } from './built-in-resources.ts'
import type { WebhookConversion } from './conversion/webhook-conversion.ts'
import { toCoreEvent, toEventsGroup } from './event-view.ts'
import type { ApiResource } from './hooks.ts'
import { formatGroupResource, type ApiObject, type GroupResource } from './object.ts'
import { noSuchResource, notImitated } from './status-error.ts'
import type { Column } from './table/column.ts'
import type { Store } from './store.ts'
import { plainStrategy, type Strategy } from './strategy.ts'

/** A kind in one version, and how that version relates to what is stored. */
export interface ServedResource extends ApiResource {
  /** Where its objects are stored: the same for all versions. */
  storage: GroupResource
  /** False where another version of the same kind is shown in lists of kinds. */
  preferred: boolean
  /** Only custom kinds: their columns in tables. */
  columns?: readonly Column[]
  /** Only custom kinds: `spec.versions[].selectableFields[].jsonPath`. */
  selectableFields?: readonly string[]
  /** Only deprecated versions of custom kinds: the warning that every answer carries. */
  deprecation?: string
  /** True while the definition of a custom kind is being deleted: nothing new is accepted. */
  terminating?: boolean
  /** What is stored, as this version shows it; the same object where there is no difference or a webhook knows it. */
  fromStored(object: ApiObject): ApiObject
  toStored(object: ApiObject): ApiObject
  /** Present where a webhook turns what is stored into this version, and back. */
  webhook?: WebhookConversion
}

const same = (object: ApiObject): ApiObject => object

function serveBuiltIn(resource: ApiResource): ServedResource {
  const storage = { group: resource.group, plural: resource.plural }
  if (resource.group !== 'events.k8s.io') {
    return { ...resource, storage, preferred: true, fromStored: same, toStored: same }
  }
  const core = { group: '', plural: 'events' }
  return { ...resource, storage: core, preferred: true, fromStored: toEventsGroup, toStored: toCoreEvent }
}

/** Which kinds the server serves, in which versions: the built-in ones and those of the definitions. */
export class Registry {
  readonly #store: Store
  readonly #served = new Map<string, ServedResource>()
  /** Built-in kinds that the release does not have yet. */
  readonly #unborn = new Map<string, ServedResource>()
  /** Raised by each change, so that documents made from the registry can be kept until then. */
  revision = 0

  constructor(store: Store, strategies: Readonly<Record<string, Strategy>>) {
    this.#store = store
    for (const resource of builtInResources) this.#addBuiltIn(resource, strategies)
  }

  #addBuiltIn(resource: ApiResource, strategies: Readonly<Record<string, Strategy>>): void {
    const served = serveBuiltIn(resource)
    const key = formatGroupResource(resource)
    this.#served.set(keyOf(resource), served)
    if (served.storage.group !== resource.group) return
    this.#store.define({ ...resource, strategy: strategies[key] ?? plainStrategy })
  }

  /** Serves the built-in kinds that Kubernetes 1.`minor` has, and no others. */
  becomeRelease(minor: number): void {
    const isBorn = (key: string): boolean => (servedSince[key] ?? 0) <= minor
    for (const [from, to, moves] of [
      [this.#served, this.#unborn, (key: string) => !isBorn(key)],
      [this.#unborn, this.#served, isBorn],
    ] as const)
      for (const [key, served] of from)
        if (moves(key)) {
          from.delete(key)
          to.set(key, served)
        }
    this.revision++
  }

  /** Serves a version of a custom kind; the kind itself must be defined in the store. */
  serve(resource: ServedResource): void {
    this.#served.set(keyOf(resource), resource)
    this.revision++
  }

  /** Stops serving every version of a custom kind, or all but the named ones. */
  withdraw(resource: GroupResource, except: readonly string[] = []): void {
    for (const [key, served] of this.#served) {
      const isIt = served.group === resource.group && served.plural === resource.plural
      if (isIt && !except.includes(served.version)) this.#served.delete(key)
    }
    this.revision++
  }

  /** Every served version of every kind, in the order in which they came. */
  list(): readonly ServedResource[] {
    return [...this.#served.values()]
  }

  /** The kind behind a path; 501 for what a real cluster has and the sandbox does not, 404 for what nobody has. */
  find(group: string, version: string, plural: string): ServedResource {
    const served = this.#served.get(`${group}/${version}/${plural}`)
    if (served) return served
    if (this.#unborn.has(`${group}/${version}/${plural}`)) throw noSuchResource()
    const known = notImitatedResources[group] ?? []
    const servedGroup = version === 'v1' || group === ''
    if (known.includes(plural) || (known.includes('*') && servedGroup)) {
      throw notImitated(`${formatGroupResource({ group, plural })}, version ${version}`)
    }
    throw noSuchResource()
  }

  /** The version of a stored kind that is shown first, for those who have only the stored kind. */
  findStored(resource: GroupResource): ServedResource | undefined {
    const found = this.list().filter((served) => served.group === resource.group && served.plural === resource.plural)
    return found.find((served) => served.preferred) ?? found[0]
  }
}

const keyOf = (resource: ApiResource): string => `${resource.group}/${resource.version}/${resource.plural}`
