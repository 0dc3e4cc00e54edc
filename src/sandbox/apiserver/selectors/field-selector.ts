import { isRecord, type ApiObject } from '../object.ts'
import type { ServedResource } from '../registry.ts'
import { badRequest } from '../status-error.ts'
import { formatGroupResource } from '../object.ts'

/** Answers whether an object (as it is stored) has the selected values. */
export type FieldMatcher = (object: ApiObject) => boolean

const eventFields = [
  'involvedObject.kind',
  'involvedObject.namespace',
  'involvedObject.name',
  'involvedObject.uid',
  'involvedObject.apiVersion',
  'involvedObject.resourceVersion',
  'involvedObject.fieldPath',
  'reason',
  'reportingComponent',
  'source',
  'type',
]

/** Fields besides `metadata.name` and `metadata.namespace` that can select objects of the built-in kinds. */
const selectable: Readonly<Record<string, readonly string[]>> = {
  pods: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.nominatedNodeName',
  ],
  nodes: ['spec.unschedulable'],
  namespaces: ['status.phase'],
  secrets: ['type'],
  events: eventFields,
  'events.events.k8s.io': eventFields.flatMap((field) => [field, field.replace('involvedObject', 'regarding')]),
}

/** Parses `a=b,c!=d`; undefined when it selects everything. 400 for a field that the kind cannot be selected by. */
export function parseFieldSelector(
  text: string | null | undefined,
  resource: ServedResource,
): FieldMatcher | undefined {
  if (text === null || text === undefined || text === '') return undefined
  const terms = splitTerms(text).map((term) => parseTerm(term, resource))
  return (object) => terms.every((term) => term(object))
}

/** Splits at commas that no backslash protects. */
function splitTerms(text: string): string[] {
  return text.split(/(?<!\\),/).filter((term) => term !== '')
}

function parseTerm(term: string, resource: ServedResource): FieldMatcher {
  const match = /^(.*?)(!=|==|=)(.*)$/s.exec(term)
  if (!match) throw badRequest(`invalid selector: '${term}'; can't understand '${term}'`)
  const [, field = '', operator, escaped = ''] = match
  const value = escaped.replace(/\\([\\,=])/g, '$1')
  checkField(field, resource)
  const path = readPath(field)
  const wanted = operator !== '!='
  return (object) => (readField(object, path) === value) === wanted
}

function readPath(field: string): string[] {
  if (field === 'source') return ['source', 'component']
  return field.replace(/^regarding\./, 'involvedObject.').split('.')
}

function checkField(field: string, resource: ServedResource): void {
  if (field === 'metadata.name' || (field === 'metadata.namespace' && resource.namespaced)) return
  const own = resource.custom
    ? (resource.selectableFields ?? []).map((path) => path.replace(/^\./, ''))
    : selectable[formatGroupResource(resource)]
  if (own?.includes(field)) return
  if (own || resource.custom) throw badRequest(`field label not supported: ${field}`)
  const known = 'only "metadata.name", "metadata.namespace"'
  throw badRequest(`${JSON.stringify(field)} is not a known field selector: ${known}`)
}

/** A field's value as text; an absent one is empty, an absent flag is `false`. */
function readField(object: ApiObject, path: readonly string[]): string {
  let value: unknown = object
  for (const part of path) value = isRecord(value) ? value[part] : undefined
  const isFlag = path.at(-1) === 'unschedulable' || path.at(-1) === 'hostNetwork'
  if (value === undefined || value === null) return isFlag ? 'false' : ''
  return typeof value === 'object' ? '' : String(value as string | number | boolean)
}
