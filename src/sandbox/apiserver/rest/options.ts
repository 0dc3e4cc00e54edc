import { isTrue } from '../http/target.ts'
import { isRecord } from '../object.ts'
import type { FieldValidation } from '../pipeline.ts'
import { badRequest, invalid, type StatusError } from '../status-error.ts'
import type { DeleteRequest } from '../strategy.ts'

const fieldValidations: readonly FieldValidation[] = ['Strict', 'Warn', 'Ignore']

/** The kinds of options that admission sees, by verb. */
export type OptionsKind = 'CreateOptions' | 'UpdateOptions' | 'PatchOptions' | 'DeleteOptions'

/** What every write takes from its query. */
export interface CommonOptions {
  dryRun: boolean
  fieldValidation: FieldValidation
  /** As admission sees them. */
  options: Record<string, unknown>
}

function unsupported(kind: OptionsKind, field: string, value: unknown, allowed: readonly string[]): StatusError {
  const list = allowed.map((each) => JSON.stringify(each)).join(', ')
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`
  return invalid({ group: 'meta.k8s.io', kind }, '', [{ field, reason: 'FieldValueNotSupported', message }])
}

function readDryRun(kind: OptionsKind, values: readonly unknown[]): boolean {
  if (values.some((value) => value !== 'All')) throw unsupported(kind, 'dryRun', values, ['All'])
  return values.length > 0
}

/** Reads `dryRun`, `fieldManager` and `fieldValidation` of a query. */
export function readCommonOptions(query: URLSearchParams, kind: OptionsKind): CommonOptions {
  const dryRun = readDryRun(kind, query.getAll('dryRun'))
  const given = query.get('fieldValidation') ?? ''
  const fieldValidation = given === '' ? 'Warn' : fieldValidations.find((each) => each === given)
  if (!fieldValidation) throw unsupported(kind, 'fieldValidation', given, fieldValidations)
  const manager = query.get('fieldManager')
  const options = {
    kind,
    apiVersion: 'meta.k8s.io/v1',
    ...(dryRun ? { dryRun: ['All'] } : {}),
    ...(manager === null ? {} : { fieldManager: manager }),
    ...(kind === 'DeleteOptions' ? {} : { fieldValidation }),
  }
  return { dryRun, fieldValidation, options }
}

/** What a delete asks for, from its query and its body. */
export interface DeleteOptions extends CommonOptions {
  request: DeleteRequest
  /** The old way to ask for cascading: `orphanDependents: false`. */
  orphanDependents: boolean | undefined
}

const policies = ['Background', 'Foreground', 'Orphan'] as const

/** Reads DeleteOptions: a body counts before the query, as in the real server. */
export function readDeleteOptions(query: URLSearchParams, body: unknown): DeleteOptions {
  const given = isRecord(body) ? body : fromQuery(query)
  const common = readCommonOptions(new URLSearchParams(), 'DeleteOptions')
  const dryRuns = Array.isArray(given['dryRun']) ? given['dryRun'] : []
  const orphanDependents = readFlag(given, 'orphanDependents')
  return {
    ...common,
    dryRun: readDryRun('DeleteOptions', dryRuns),
    options: { ...given, kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1' },
    orphanDependents,
    request: { ...readGrace(given), ...readPolicy(given, orphanDependents), ...readPreconditions(given) },
  }
}

function fromQuery(query: URLSearchParams): Record<string, unknown> {
  const grace = query.get('gracePeriodSeconds')
  const orphan = query.get('orphanDependents')
  return {
    ...(grace === null || grace === '' ? {} : { gracePeriodSeconds: Number(grace) }),
    ...(query.get('propagationPolicy') ? { propagationPolicy: query.get('propagationPolicy') } : {}),
    ...(orphan === null ? {} : { orphanDependents: isTrue(orphan) }),
    ...(query.has('dryRun') ? { dryRun: query.getAll('dryRun') } : {}),
  }
}

function readFlag(given: Record<string, unknown>, field: string): boolean | undefined {
  const value = given[field]
  return typeof value === 'boolean' ? value : undefined
}

function readGrace({ gracePeriodSeconds: value }: Record<string, unknown>): Pick<DeleteRequest, 'gracePeriodSeconds'> {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'number' || !Number.isInteger(value)) throw badRequest('gracePeriodSeconds must be an integer')
  return { gracePeriodSeconds: value }
}

function readPolicy(
  { propagationPolicy: value }: Record<string, unknown>,
  orphan: boolean | undefined,
): Pick<DeleteRequest, 'propagationPolicy'> {
  if (value === undefined || value === null) {
    return orphan === undefined ? {} : { propagationPolicy: orphan ? 'Orphan' : 'Background' }
  }
  const policy = policies.find((each) => each === value)
  if (!policy) throw unsupported('DeleteOptions', 'propagationPolicy', value, ['Foreground', 'Background', 'Orphan'])
  return { propagationPolicy: policy }
}

function readPreconditions({ preconditions: value }: Record<string, unknown>): Pick<DeleteRequest, 'preconditions'> {
  if (!isRecord(value)) return {}
  const { uid, resourceVersion } = value
  return {
    preconditions: {
      ...(typeof uid === 'string' ? { uid } : {}),
      ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
    },
  }
}
