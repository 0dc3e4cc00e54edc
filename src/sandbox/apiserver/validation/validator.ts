import type { StructuralSchema } from '../../../api/schema/schema.ts'
import { applySchema } from '../../../api/schema/structural.ts'
import type { ApiResource, OpenApiSchema, Prepared, ValidationRequest, Validator } from '../hooks.ts'
import type { ApiObject } from '../object.ts'
import type { StatusCause } from '../status-error.ts'
import { fillDependentDefaults } from './built-in-defaults.ts'
import { BuiltInSchemas, decodeBuiltIn } from './built-in-schemas.ts'
import { validateBuiltIn } from './built-in-validation.ts'
import { type CelValidator, compileCelRules, validateCelRules } from './cel-validation.ts'
import { validateDefinition } from './definition-validation.ts'
import { findNewErrors } from './ratcheting.ts'

/** Said beside errors of structure: the rules were not tried. */
const uncheckedRules: StatusCause = {
  field: '<nil>',
  reason: 'FieldValueInvalid',
  message:
    'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
}

/** The faults after which the server does not try the rules. */
const blocking = ['NotSupported', 'Required', 'TooLong', 'TooMany', 'TypeInvalid'].map((each) => `FieldValue${each}`)

const isBlocking = ({ reason }: StatusCause): boolean => blocking.includes(reason)

/** Puts the fields of `from` in the place of those of `object`. */
function replaceFields(object: ApiObject, from: ApiObject): void {
  for (const field of Object.keys(object)) if (!Object.hasOwn(from, field)) delete object[field]
  Object.assign(object, from)
}

/** Prepares and validates custom objects by the schema of their definition, built-in ones by the server's own rules. */
class SandboxValidator implements Validator {
  readonly #schemas = new BuiltInSchemas()
  /** The compiled rules of each schema; a changed definition brings a new schema object. */
  readonly #rules = new WeakMap<OpenApiSchema, { compiled: CelValidator | undefined }>()

  prepare(resource: ApiResource, object: ApiObject): Prepared {
    if (!resource.custom) return this.#prepareBuiltIn(resource, object)
    const schema = (resource.schema ?? {}) as StructuralSchema
    const { value, unknownFields } = applySchema(schema, object, { prune: true, default: true })
    replaceFields(object, value)
    return { unknownFields }
  }

  #prepareBuiltIn(resource: ApiResource, object: ApiObject): Prepared {
    const schema = this.#schemas.find(resource)
    if (schema === undefined) return { unknownFields: [] }
    const { value, unknownFields } = decodeBuiltIn(schema, resource, object)
    fillDependentDefaults(value)
    replaceFields(object, value)
    return { unknownFields }
  }

  validate(request: ValidationRequest): readonly StatusCause[] {
    if (request.resource.custom) return this.#validateCustom(request)
    if (request.resource.kind === 'CustomResourceDefinition') return validateDefinition(request.object)
    return validateBuiltIn(request)
  }

  #validateCustom({ resource, object, oldObject }: ValidationRequest): readonly StatusCause[] {
    const schema = resource.schema ?? {}
    const { errors: all } = applySchema(schema as StructuralSchema, object, {})
    const errors = findNewErrors(all, object, oldObject)
    const { compiled } = this.#rulesOf(schema)
    if (compiled === undefined) return errors
    // As the real server: rules see only objects that have the right structure.
    if (errors.some(isBlocking)) return [...errors, uncheckedRules]
    return [...errors, ...validateCelRules(compiled, object, oldObject)]
  }

  #rulesOf(schema: OpenApiSchema): { compiled: CelValidator | undefined } {
    const known = this.#rules.get(schema)
    if (known !== undefined) return known
    const rules = { compiled: compileCelRules(schema as StructuralSchema) }
    this.#rules.set(schema, rules)
    return rules
  }
}

/** The validator of the sandbox's API server. */
export function createValidator(): Validator {
  return new SandboxValidator()
}
