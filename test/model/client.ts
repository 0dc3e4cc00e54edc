import { toAnswerError, toTransportError, type RequestSubject } from '../../src/kube/api-error.ts'
import type {
  DeleteOptions,
  KubeClient,
  ListAnswer,
  ListOptions,
  Patch,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from '../../src/kube/client.ts'
import { formatKey, keyOf, type KubeObject, type ObjectKey } from '../../src/kube/object.ts'
import { parseLabelSelector } from '../../src/kube/label-selector.ts'
import type { Resource } from '../../src/kube/resource.ts'
import { StatusError, toStatus } from '../../src/sandbox/apiserver/status-error.ts'
import type { ApiObject } from '../../src/sandbox/apiserver/object.ts'
import { applyJsonPatch } from '../../src/sandbox/apiserver/patch/json-patch.ts'
import { applyMergePatch } from '../../src/sandbox/apiserver/patch/merge-patch.ts'
import { applyStrategicMergePatch } from '../../src/sandbox/apiserver/patch/strategic-merge-patch.ts'
import type { Store } from '../../src/sandbox/apiserver/store.ts'
import type { Chance } from './chance.ts'
import { refuseWithoutNamespace } from './namespace-lifecycle.ts'
import type { VirtualTime } from './time.ts'
import type { Trace } from './trace.ts'
import { ModelWatch } from './watch.ts'

/** How requests of an operator fail. */
export interface Weather {
  /** The share of writes that fail. */
  failures: number
  /** Reads fail, too, and what a killed operator has sent may still arrive. */
  wild: boolean
  /** How long the news of each kind take at the most, in milliseconds. */
  lagMs(plural: string): number
}

/** What a client is made of. */
export interface ClientParts {
  store: Store
  time: VirtualTime
  chance: Chance
  trace: Trace
  weather: Weather
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined)

/** What a failing write meets: refused before it was done, or lost afterwards. */
type Fault = 'throttled' | 'broken' | 'lost' | 'reset'

const faultAnswers: Readonly<Record<Exclude<Fault, 'reset'>, number>> = { throttled: 429, broken: 500, lost: 500 }

/** The one field selector that the operator uses: a pod's node. */
function parseNodeSelector(text: string): (object: ApiObject) => boolean {
  const [field, node] = text.split('=')
  if (text === '') return () => true
  if (field !== 'spec.nodeName') throw new Error(`the model knows no field selector ${text}`)
  return ({ spec }) => (spec as { nodeName?: string } | undefined)?.nodeName === node
}

/**
 * The API of one life of an operator: the store of the sandbox's API server behind requests that take their time, that
 * fail, and whose answers get lost. Once killed it answers nobody any more.
 */
export class ModelClient implements KubeClient {
  readonly #parts: ClientParts
  readonly #watches = new Set<ModelWatch>()
  /** How often the API server has carried out what kind of write. */
  readonly writes = new Map<string, number>()
  dead = false

  constructor(parts: ClientParts) {
    this.#parts = parts
  }

  /** From now on nothing is sent, and no answer arrives. */
  kill(): void {
    this.dead = true
    for (const watch of this.#watches) watch.end('dead')
  }

  /** Ends all watches, regularly or as expired. */
  breakWatches(how: 'closed' | 'expired'): void {
    for (const watch of this.#watches) watch.end(how)
  }

  get<T extends KubeObject>(resource: Resource<T>, key: ObjectKey, signal?: AbortSignal): Promise<T> {
    return this.#read(subjectOf('get', resource, formatKey(key)), signal, () =>
      shown<T>(this.#parts.store.get(resource, key)),
    )
  }

  list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ListAnswer<T>> {
    const { namespace, labelSelector = '', fieldSelector = '', signal } = options
    const matches = parseLabelSelector(labelSelector)
    const isOnNode = parseNodeSelector(fieldSelector)
    return this.#read(subjectOf('list', resource, ''), signal, () => ({
      items: this.#parts.store
        .list(resource, namespace)
        .filter((object) => matches(object.metadata.labels ?? {}) && isOnNode(object))
        .map((object) => shown<T>(object)),
      resourceVersion: String(this.#parts.store.resourceVersion),
    }))
  }

  watch<T extends KubeObject>(resource: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>> {
    const watch = new ModelWatch(resource, options, this.#parts)
    this.#watches.add(watch)
    return watch.open(() => this.#watches.delete(watch)) as AsyncIterable<WatchEvent<T>>
  }

  create<T extends KubeObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    return this.#write(subjectOf('create', resource, keyOf(object)), options.signal, () => {
      refuseWithoutNamespace(this.#parts.store, object)
      return shown<T>(this.#parts.store.create(resource, stored(object)))
    })
  }

  replace<T extends KubeObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    return this.#write(subjectOf('update', resource, keyOf(object)), options.signal, () =>
      shown<T>(this.#parts.store.update(resource, stored(object), pickSubresource(options))),
    )
  }

  patch<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    patch: Patch,
    options: WriteOptions = {},
  ): Promise<T> {
    const subject = subjectOf(`patch`, resource, formatKey(key), options.subresource)
    return this.#write(subject, options.signal, () => {
      const { store } = this.#parts
      const patched = applyPatch(resource, store.get(resource, key), patch)
      return shown<T>(store.update(resource, patched, pickSubresource(options)))
    })
  }

  delete<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    options: DeleteOptions = {},
  ): Promise<T | undefined> {
    const { signal, ...request } = options
    return this.#write(subjectOf('delete', resource, formatKey(key)), signal, () => {
      const { object, gone } = this.#parts.store.delete(resource, key, request)
      return gone ? undefined : shown<T>(object)
    })
  }

  /** Discovery: a cluster of today. */
  async getRaw(path: string, signal?: AbortSignal): Promise<string> {
    const subject = { verb: 'get', resource: path, object: '' }
    return this.#read(subject, signal, () => {
      if (path === '/version') return JSON.stringify({ major: '1', minor: '34', gitVersion: 'v1.34.0' })
      if (path === '/apis/resource.k8s.io/v1') return JSON.stringify({ resources: [{ name: 'deviceclasses' }] })
      throw new StatusError(`${path} is not served`, { status: 404, reason: 'NotFound' })
    })
  }

  /** The way to the API server, or back; what is `sent` gets there whatever becomes of the sender. */
  async #pause(signal: AbortSignal | undefined, subject: RequestSubject, sent = false): Promise<void> {
    const { time, chance } = this.#parts
    const slow = chance.happens(0.02) ? 800 : 12
    await new Promise<void>((resolve) => time.setTimeout(resolve, chance.between(1, slow)))
    if (this.dead && !sent) await never()
    if (signal?.aborted) throw toTransportError(subject, undefined, signal)
  }

  async #read<T>(subject: RequestSubject, signal: AbortSignal | undefined, act: () => T): Promise<T> {
    const { chance, weather } = this.#parts
    // Reads fail more seldom, as there are more of them at once.
    const fault =
      weather.wild && chance.happens(weather.failures / 4)
        ? chance.pick(['throttled', 'broken', 'reset'] as const)
        : undefined
    await this.#pause(signal, subject)
    if (fault !== undefined) throw this.#fail(subject, fault)
    const answer = this.#attempt(subject, act)
    await this.#pause(signal, subject)
    return answer()
  }

  async #write<T>(subject: RequestSubject, signal: AbortSignal | undefined, act: () => T): Promise<T> {
    const fault = this.#chooseFault()
    const { chance, weather } = this.#parts
    await this.#pause(signal, subject, weather.wild && chance.happens(0.5))
    if (fault === 'throttled' || fault === 'broken') throw this.#fail(subject, fault)
    const answer = this.#attempt(subject, act)
    this.#count(subject)
    await this.#pause(signal, subject)
    if (fault !== undefined) throw this.#fail(subject, fault)
    return answer()
  }

  #count({ verb, resource }: RequestSubject): void {
    const kind = `${verb} ${resource}`
    this.writes.set(kind, (this.writes.get(kind) ?? 0) + 1)
  }

  #chooseFault(): Fault | undefined {
    const { chance, weather } = this.#parts
    if (!chance.happens(weather.failures)) return undefined
    return chance.pick(['throttled', 'broken', 'lost', 'reset'])
  }

  #fail(subject: RequestSubject, fault: Fault): Error {
    this.#parts.trace.say(`  api: ${subject.verb} ${subject.resource} ${subject.object} fails: ${fault}`)
    if (fault === 'reset') return toTransportError(subject, new Error('the connection was reset'), undefined)
    const retryAfter = fault === 'throttled' ? '1' : undefined
    return toAnswerError(subject, { status: faultAnswers[fault], body: '', retryAfter, nowMs: this.#parts.time.now() })
  }

  /** Does it now; the answer is given later. */
  #attempt<T>(subject: RequestSubject, act: () => T): () => T {
    const { trace, time } = this.#parts
    const isRead = subject.verb === 'get' || subject.verb === 'list'
    try {
      const result = act()
      if (!isRead) trace.say(`  operator: ${subject.verb} ${subject.resource} ${subject.object}`)
      return () => result
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      if (!isRead) trace.say(`  operator: ${subject.verb} ${subject.resource} ${subject.object}: ${error.message}`)
      const body = JSON.stringify(toStatus(error))
      const failure = toAnswerError(subject, { status: error.status, body, retryAfter: undefined, nowMs: time.now() })
      return () => {
        throw failure
      }
    }
  }
}

/** The client's type of an object says its shape; what the store holds is of that shape. */
const shown = <T extends KubeObject>(object: ApiObject): T => object as KubeObject as T
const stored = (object: KubeObject): ApiObject => object as ApiObject

const pickSubresource = ({ subresource }: WriteOptions): { subresource?: string } =>
  subresource === undefined ? {} : { subresource }

function subjectOf(verb: string, { plural }: Resource, object: string, subresource?: string): RequestSubject {
  return { verb, resource: subresource === undefined ? plural : `${plural}/${subresource}`, object }
}

function applyPatch(resource: Resource, current: ApiObject, { type, body }: Patch): ApiObject {
  if (type === 'json') return applyJsonPatch(current, body) as ApiObject
  if (type === 'merge') return applyMergePatch(current, body) as ApiObject
  return applyStrategicMergePatch(resource.kind, current, body as Record<string, unknown>) as ApiObject
}
