import type { ObjectKey } from '../../kube/object.ts'
import { hasCode } from '../../errors/error.ts'
import type { AdmissionPlugin, User, Validator, WriteRequest } from './hooks.ts'
import { validateMetadata } from './metadata.ts'
import { cloneJson, type ApiObject } from './object.ts'
import type { ServedResource } from './registry.ts'
import { badRequest, invalid, modified, StatusError } from './status-error.ts'
import type { DeleteResult, Store } from './store.ts'
import type { DeleteRequest } from './strategy.ts'

/** How a client wants unknown fields to be treated. */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore'

/** Who writes, and how. */
export interface WriteContext {
  user: User
  userAgent: string
  dryRun: boolean
  fieldValidation: FieldValidation
  /** CreateOptions, UpdateOptions, PatchOptions or DeleteOptions for admission. */
  options: Readonly<Record<string, unknown>>
  /** Adds a `Warning` header to the answer. */
  warn(message: string): void
}

/** A change of one object: `change` makes the new object from the present one (both in the served version). */
export interface Update {
  key: ObjectKey
  subresource?: string
  change(current: ApiObject): ApiObject
  /** Present for PUT: what to create when nothing is there and the kind allows that. */
  createInstead?: ApiObject
}

/** What an update left behind. */
export interface UpdateResult {
  object: ApiObject
  created: boolean
}

/** What the pipeline consists of. */
export interface PipelineParts {
  store: Store
  validator: Validator
  plugins: readonly AdmissionPlugin[]
  /** Five characters for generated names. */
  newSuffix(): string
}

const maxUpdateAttempts = 5

/** The way of every write: decode → prune and default → mutate → strategy → validate → admit → store. */
export class WritePipeline {
  readonly #parts: PipelineParts

  constructor(parts: PipelineParts) {
    this.#parts = parts
  }

  /** Stores a new object; `generateName` is resolved here. */
  async create(resource: ServedResource, input: ApiObject, context: WriteContext): Promise<ApiObject> {
    const { store } = this.#parts
    checkAcceptsNew(resource)
    if ((input.metadata.resourceVersion ?? '') !== '') {
      const message = 'resourceVersion should not be set on objects to be created'
      throw new StatusError(message, { status: 500, reason: '' })
    }
    const object = this.#named(input)
    this.#prepare(resource, object, context)
    const request = this.#request(resource, { operation: 'CREATE', object }, context)
    await this.#mutate(request)
    const prepared = store.prepareCreate(resource.storage, resource.toStored(object))
    const shown = resource.fromStored(prepared)
    this.#validate(resource, request, shown)
    await this.#admit({ ...request, object: shown })
    const stored = resource.webhook ? await resource.webhook.toStored(shown) : prepared
    if (context.dryRun) {
      store.refuseTaken(resource.storage, stored)
      return show(resource, stored)
    }
    return show(resource, store.commitCreate(resource.storage, stored))
  }

  /** Changes an object; a change that named no resourceVersion is made again when another write came between. */
  async update(resource: ServedResource, update: Update, context: WriteContext): Promise<UpdateResult> {
    const { store } = this.#parts
    for (let attempt = 1; ; attempt++) {
      const current = store.find(resource.storage, update.key)
      if (!current && update.createInstead && store.resource(resource.storage)?.strategy.createOnUpdate) {
        return { object: await this.create(resource, update.createInstead, context), created: true }
      }
      const old = await show(resource, store.get(resource.storage, update.key))
      const object = update.change(cloneJson(old))
      try {
        return { object: await this.#replace(resource, { update, old, object }, context), created: false }
      } catch (error) {
        if (attempt >= maxUpdateAttempts || !isRetriable(error, old, object)) throw error
      }
    }
  }

  /** Deletes an object, or marks it. */
  async delete(
    resource: ServedResource,
    key: ObjectKey,
    deletion: DeleteRequest,
    context: WriteContext,
  ): Promise<DeleteResult> {
    const { store } = this.#parts
    const old = await show(resource, store.get(resource.storage, key))
    const request = this.#request(resource, { operation: 'DELETE', oldObject: old }, context)
    await this.#run('mutating', request)
    await this.#admit(request)
    if (context.dryRun) return { object: old, gone: true }
    const result = store.delete(resource.storage, key, deletion)
    return { ...result, object: await show(resource, result.object) }
  }

  async #replace(
    resource: ServedResource,
    { update, old, object }: { update: Update; old: ApiObject; object: ApiObject },
    context: WriteContext,
  ): Promise<ApiObject> {
    const { store } = this.#parts
    this.#checkVersion(resource, object)
    this.#prepare(resource, object, context)
    const request = this.#request(resource, { operation: 'UPDATE', object, oldObject: old }, context)
    if (update.subresource !== undefined) request.subresource = update.subresource
    await this.#mutate(request)
    const options = {
      ...(update.subresource === undefined ? {} : { subresource: update.subresource }),
      ...(resource.webhook === undefined ? {} : { old }),
    }
    const prepared = store.prepareUpdate(resource.storage, resource.toStored(object), options)
    // The store takes the newest object for granted; what was changed here was another one.
    if (prepared.metadata.resourceVersion !== old.metadata.resourceVersion) throw modified(resource, update.key.name)
    const shown = resource.fromStored(prepared)
    this.#validate(resource, request, shown)
    await this.#admit({ ...request, object: shown })
    const stored = resource.webhook ? await resource.webhook.toStored(shown) : prepared
    if (context.dryRun) return show(resource, stored)
    return show(resource, store.commitUpdate(resource.storage, stored))
  }

  #named(input: ApiObject): ApiObject {
    const { generateName, name } = input.metadata
    if (name !== '' || generateName === undefined || generateName === '') return input
    // The real server cuts the prefix so that the whole fits into a label.
    const generated = generateName.slice(0, 58) + this.#parts.newSuffix()
    return { ...input, metadata: { ...input.metadata, name: generated } }
  }

  #prepare(resource: ServedResource, object: ApiObject, context: WriteContext): void {
    const { unknownFields } = this.#parts.validator.prepare(resource, object)
    if (unknownFields.length === 0 || context.fieldValidation === 'Ignore') return
    const complaints = [...unknownFields].sort().map((field) => `unknown field ${JSON.stringify(field)}`)
    if (context.fieldValidation === 'Strict') {
      const what = `${resource.kind} in version ${JSON.stringify(resource.version)} cannot be handled as a ${resource.kind}`
      throw badRequest(`${what}: strict decoding error: ${complaints.join(', ')}`)
    }
    for (const complaint of complaints) context.warn(complaint)
  }

  #request(
    resource: ServedResource,
    change: Pick<WriteRequest, 'operation' | 'object' | 'oldObject'>,
    context: WriteContext,
  ): WriteRequest {
    const { name = '', namespace } = (change.object ?? change.oldObject)?.metadata ?? {}
    const { user, userAgent, dryRun, options } = context
    return {
      ...change,
      resource,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      user,
      userAgent,
      dryRun,
      options,
      warn: (message) => context.warn(message),
    }
  }

  async #mutate(request: WriteRequest): Promise<void> {
    const ran = await this.#run('mutating', request)
    if (ran && request.object) this.#parts.validator.prepare(request.resource, request.object)
  }

  async #admit(request: WriteRequest): Promise<void> {
    await this.#run('validating', request)
  }

  async #run(phase: AdmissionPlugin['phase'], request: WriteRequest): Promise<boolean> {
    const plugins = this.#parts.plugins.filter((plugin) => plugin.phase === phase)
    for (const plugin of plugins) {
      const waiting = plugin.admit(request)
      // Without this test every plugin would cost a turn of the loop, and a check of a quota could race.
      if (waiting !== undefined) await waiting
    }
    return plugins.length > 0
  }

  #validate(resource: ServedResource, request: WriteRequest, object: ApiObject): void {
    const { subresource, oldObject } = request
    const causes = [
      ...validateMetadata(resource, object, oldObject),
      ...this.#parts.validator.validate({
        resource,
        object,
        ...(subresource === undefined ? {} : { subresource }),
        ...(oldObject === undefined ? {} : { oldObject }),
      }),
    ]
    if (causes.length > 0) throw invalid(resource, object.metadata.name, causes)
  }

  #checkVersion(resource: ServedResource, object: ApiObject): void {
    const { resourceVersion = '', name } = object.metadata
    if (resourceVersion !== '' && !/^\d+$/.test(resourceVersion)) {
      const message = `strconv.ParseUint: parsing ${JSON.stringify(resourceVersion)}: invalid syntax`
      throw new StatusError(message, { status: 500, reason: '' })
    }
    const strategy = this.#parts.store.resource(resource.storage)?.strategy
    if ((resourceVersion === '' || resourceVersion === '0') && strategy?.unconditionalUpdate === false) {
      const message = 'Invalid value: 0: must be specified for an update'
      const named = { group: resource.group, kind: resource.plural }
      throw invalid(named, name, [{ field: 'metadata.resourceVersion', reason: 'FieldValueInvalid', message }])
    }
  }
}

/** What is stored, as a version shows it. */
async function show(resource: ServedResource, object: ApiObject): Promise<ApiObject> {
  return resource.webhook ? resource.webhook.fromStored(object) : resource.fromStored(object)
}

function checkAcceptsNew(resource: ServedResource): void {
  if (resource.terminating !== true) return
  throw new StatusError('create not allowed while custom resource definition is terminating', {
    status: 405,
    reason: 'MethodNotAllowed',
    details: { group: resource.group, kind: resource.plural },
  })
}

/** A conflict can be healed by doing it again when the change was made from what was read, not from what a client knew. */
function isRetriable(error: unknown, old: ApiObject, object: ApiObject): boolean {
  if (!hasCode(error, 'Conflict')) return false
  const { resourceVersion = '' } = object.metadata
  return resourceVersion === '' || resourceVersion === '0' || resourceVersion === old.metadata.resourceVersion
}
