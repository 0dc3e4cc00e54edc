import { apiVersionOf } from '../../../kube/resource.ts'
import { asYaml, jsonText, type Answer } from '../http/answer.ts'
import type { Format } from '../http/negotiate.ts'
import type { ApiObject } from '../object.ts'
import type { ServedResource } from '../registry.ts'
import { toTable, type TableOptions } from '../table/table.ts'

/** Keeps the JSON text of each stored object, so that it is made once whoever asks for it. */
export class JsonTexts {
  readonly #texts = new WeakMap<ApiObject, string>()

  of(object: ApiObject): string {
    const known = this.#texts.get(object)
    if (known !== undefined) return known
    const text = JSON.stringify(object)
    if (Object.isFrozen(object)) this.#texts.set(object, text)
    return text
  }
}

/** `metadata` of a list. */
export interface ListMeta {
  resourceVersion: string
  continue?: string
  remainingItemCount?: number
}

/** How one request wants its objects. */
export interface Rendering {
  resource: ServedResource
  format: Format
  table: TableOptions
}

/** Metadata alone, as `PartialObjectMetadata`. */
export function toPartial(object: ApiObject): ApiObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata }
}

/** Makes answers of objects in the shape that the client wants. */
export class Renderer {
  readonly texts = new JsonTexts()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** One object (in the served version) as JSON text. */
  one(object: ApiObject, rendering: Rendering): string {
    switch (rendering.format.shape) {
      case 'object':
        return this.texts.of(object)
      case 'metadata':
        return JSON.stringify(toPartial(object))
      case 'table': {
        const meta = { resourceVersion: object.metadata.resourceVersion ?? '' }
        return JSON.stringify(this.#table([object], rendering, meta))
      }
    }
  }

  /** An answer with one object. */
  answer(object: ApiObject, rendering: Rendering, status = 200): Answer {
    return this.#encode(jsonText(this.one(object, rendering), status), rendering.format)
  }

  /** An answer with a list. Items of built-in kinds carry no kind and apiVersion, as with the real server. */
  list(objects: readonly ApiObject[], rendering: Rendering, meta: ListMeta): Answer {
    return this.#encode(jsonText(this.#listText(objects, rendering, meta)), rendering.format)
  }

  #listText(objects: readonly ApiObject[], rendering: Rendering, meta: ListMeta): string {
    const { resource, format } = rendering
    if (format.shape === 'table') return JSON.stringify(this.#table(objects, rendering, meta))
    if (format.shape === 'metadata') {
      const items = objects.map(toPartial)
      const kind = 'PartialObjectMetadataList'
      return JSON.stringify({ kind, apiVersion: 'meta.k8s.io/v1', metadata: meta, items })
    }
    const items = objects.map((object) => this.#item(object, resource))
    const head = JSON.stringify({ kind: `${resource.kind}List`, apiVersion: apiVersionOf(resource), metadata: meta })
    return `${head.slice(0, -1)},"items":[${items.join(',')}]}`
  }

  #item(object: ApiObject, resource: ServedResource): string {
    const text = this.texts.of(object)
    if (resource.custom) return text
    const prefix = `{"kind":${JSON.stringify(object.kind)},"apiVersion":${JSON.stringify(object.apiVersion)},`
    if (text.startsWith(prefix)) return `{${text.slice(prefix.length)}`
    const { kind: _kind, apiVersion: _apiVersion, ...rest } = object
    return JSON.stringify(rest)
  }

  #table(objects: readonly ApiObject[], { resource, table }: Rendering, meta: ListMeta): unknown {
    return toTable({ resource, objects, meta, options: table, nowMs: this.#now() })
  }

  #encode(answer: Answer, format: Format): Answer {
    return format.yaml ? asYaml(answer) : answer
  }
}
