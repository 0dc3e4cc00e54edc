import { decodeObject } from '../decode.ts'
import type { User } from '../hooks.ts'
import { parseBody } from '../http/body.ts'
import { json, type Answer } from '../http/answer.ts'
import type { Target } from '../http/target.ts'
import { cloneJson, formatGroupResource, type ApiObject } from '../object.ts'
import { parsePatch } from '../patch/patch.ts'
import type { WriteContext, WritePipeline } from '../pipeline.ts'
import type { ServedResource } from '../registry.ts'
import { badRequest, invalid, StatusError } from '../status-error.ts'
import type { DeleteResult } from '../store.ts'
import { readCommonOptions, readDeleteOptions, type DeleteOptions, type OptionsKind } from './options.ts'
import { keyOf, type Reads } from './read.ts'
import type { Renderer, Rendering } from './render.ts'

/** One write: where, by whom, and what was sent. */
export interface WriteRequestInput {
  target: Target
  query: URLSearchParams
  rendering: Rendering
  user: User
  userAgent: string
  body: Buffer
  contentType: string | undefined
  warn(message: string): void
}

/** What a write did, besides its answer. */
export interface WriteOutcome {
  answer: Answer
  /** The name of the object, generated ones included. */
  name: string
  dryRun: boolean
}

/** What writing needs. */
export interface WriteParts {
  pipeline: WritePipeline
  renderer: Renderer
  reads: Reads
}

/** Kinds whose delete answers with the object, not with a Status. */
const answersWithObject = ['pods', 'serviceaccounts', 'resourcequotas']

/** Answers create, update, patch, delete and deletecollection. */
export class Writes {
  readonly #parts: WriteParts

  constructor(parts: WriteParts) {
    this.#parts = parts
  }

  async create(input: WriteRequestInput): Promise<WriteOutcome> {
    const { rendering, target } = input
    const { resource } = rendering
    const context = contextOf(input, 'CreateOptions')
    const object = decodeObject(resource, parseBody(input.body, input.contentType), target)
    const created = await this.#parts.pipeline.create(resource, object, context)
    return this.#outcome(created, input, context, 201)
  }

  async update(input: WriteRequestInput): Promise<WriteOutcome> {
    const { rendering, target } = input
    const { resource } = rendering
    const context = contextOf(input, 'UpdateOptions')
    const object = decodeObject(resource, parseBody(input.body, input.contentType), target)
    const { subresource } = target
    const update = {
      key: keyOf(target),
      change: (): ApiObject => cloneJson(object),
      ...(subresource === undefined ? { createInstead: object } : { subresource }),
    }
    const { object: updated, created } = await this.#parts.pipeline.update(resource, update, context)
    return this.#outcome(updated, input, context, created ? 201 : 200)
  }

  async patch(input: WriteRequestInput): Promise<WriteOutcome> {
    const { rendering, target } = input
    const { resource } = rendering
    const context = contextOf(input, 'PatchOptions')
    const apply = parsePatch(resource, input.body, input.contentType)
    const change = (current: ApiObject): ApiObject => {
      const patched = decodeObject(resource, apply(current), withoutName(target))
      refuseIdentityChange(resource, current, patched)
      return patched
    }
    const subresource = target.subresource === undefined ? {} : { subresource: target.subresource }
    const update = { key: keyOf(target), change, ...subresource }
    const { object } = await this.#parts.pipeline.update(resource, update, context)
    return this.#outcome(object, input, context, 200)
  }

  async delete(input: WriteRequestInput): Promise<WriteOutcome> {
    const { target, rendering } = input
    if (target.subresource !== undefined) throw cannotDelete(rendering.resource)
    const options = deleteOptionsOf(input)
    const context = { ...contextFrom(input), ...options }
    const { pipeline } = this.#parts
    const result = await pipeline.delete(rendering.resource, keyOf(target), options.request, context)
    const answer = this.#deleteAnswer(result, rendering, options)
    return { answer, name: target.name ?? '', dryRun: options.dryRun }
  }

  async deleteCollection(input: WriteRequestInput): Promise<WriteOutcome> {
    const { target, query, rendering } = input
    const { resource } = rendering
    const options = deleteOptionsOf(input)
    const context = { ...contextFrom(input), ...options }
    const chosen = await this.#parts.reads.select({ target, query, rendering })
    const deleted: ApiObject[] = []
    for (const { metadata } of chosen) {
      const key = {
        name: metadata.name,
        ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      }
      const result = await this.#deleteIfThere(resource, key, options, context)
      if (result) deleted.push(result.object)
    }
    const answer = this.#parts.renderer.list(deleted, rendering, { resourceVersion: '' })
    return { answer, name: '', dryRun: options.dryRun }
  }

  /** Somebody else may delete an object of the collection meanwhile. */
  async #deleteIfThere(
    resource: ServedResource,
    key: { name: string; namespace?: string },
    options: DeleteOptions,
    context: WriteContext,
  ): Promise<DeleteResult | undefined> {
    try {
      return await this.#parts.pipeline.delete(resource, key, options.request, context)
    } catch (error) {
      if (error instanceof StatusError && error.status === 404) return undefined
      throw error
    }
  }

  #deleteAnswer(result: DeleteResult, rendering: Rendering, options: DeleteOptions): Answer {
    const { resource } = rendering
    const status = !result.gone && options.orphanDependents === false ? 202 : 200
    if (!result.gone || answersWithObject.includes(resource.plural)) {
      return this.#parts.renderer.answer(result.object, rendering, status)
    }
    const { name, uid } = result.object.metadata
    const group = resource.group === '' ? {} : { group: resource.group }
    const details = { name, ...group, kind: resource.plural, uid }
    return json({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details })
  }

  #outcome(object: ApiObject, input: WriteRequestInput, context: WriteContext, status: number): WriteOutcome {
    const answer = this.#parts.renderer.answer(object, input.rendering, status)
    return { answer, name: object.metadata.name, dryRun: context.dryRun }
  }
}

/** A subresource cannot be deleted. */
function cannotDelete(resource: ServedResource): StatusError {
  const message = `delete is not supported on resources of kind "${formatGroupResource(resource)}"`
  const group = resource.group === '' ? {} : { group: resource.group }
  return new StatusError(message, {
    status: 405,
    reason: 'MethodNotAllowed',
    details: { ...group, kind: resource.plural },
  })
}

function contextFrom(input: WriteRequestInput): Pick<WriteContext, 'user' | 'userAgent' | 'warn'> {
  return { user: input.user, userAgent: input.userAgent, warn: (message) => input.warn(message) }
}

/** The context of a write that takes its options from the query alone. */
export function contextOf(input: WriteRequestInput, kind: OptionsKind): WriteContext {
  return { ...contextFrom(input), ...readCommonOptions(input.query, kind) }
}

function deleteOptionsOf(input: WriteRequestInput): DeleteOptions {
  const body = input.body.length === 0 ? undefined : parseBody(input.body, input.contentType)
  return readDeleteOptions(input.query, body)
}

function withoutName({ namespace }: Target): { namespace?: string } {
  return namespace === undefined ? {} : { namespace }
}

/** A patch may not make another object of the one that it changes. */
function refuseIdentityChange(resource: ServedResource, current: ApiObject, patched: ApiObject): void {
  const { name } = current.metadata
  if (patched.metadata.name !== name) {
    throw badRequest(`the name of the object (${patched.metadata.name}) does not match the name on the URL (${name})`)
  }
  const changed = (['uid', 'deletionTimestamp'] as const).filter((field) => {
    const value = patched.metadata[field]
    return value !== undefined && value !== null && value !== current.metadata[field]
  })
  if (changed.length === 0) return
  const causes = changed.map((field) => {
    const message = `Invalid value: ${JSON.stringify(patched.metadata[field])}: field is immutable`
    return { field: `metadata.${field}`, reason: 'FieldValueInvalid', message }
  })
  // The server looks twice.
  throw invalid(resource, name, [...causes, ...causes])
}
