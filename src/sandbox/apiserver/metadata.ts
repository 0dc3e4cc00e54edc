import type { ObjectMeta, OwnerReference } from '../../kube/object.ts'
import type { Resource } from '../../kube/resource.ts'
import type { ApiObject } from './object.ts'
import type { StatusCause } from './status-error.ts'

const labelPattern = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomainPattern = `${labelPattern}(\\.${labelPattern})*`
const qualifiedPattern = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const valuePattern = `(${qualifiedPattern})?`

const matches = (pattern: string, text: string): boolean => new RegExp(`^(?:${pattern})$`).test(text)

const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and " +
  `end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${subdomainPattern}')`
const labelRule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with " +
  `an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${labelPattern}')`
const qualifiedRule =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric " +
  `character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${qualifiedPattern}')`
const keyRule =
  `${qualifiedRule.replace('name part must', 'a valid label key must')} with an optional DNS subdomain prefix and '/' ` +
  "(e.g. 'example.com/MyName')"
const valueRule =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and " +
  `end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '${valuePattern}')`

const maxAnnotationBytes = 262_144

function invalidValue(field: string, value: unknown, why: string): StatusCause {
  return { field, reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${why}` }
}

function required(field: string, why = ''): StatusCause {
  return { field, reason: 'FieldValueRequired', message: why === '' ? 'Required value' : `Required value: ${why}` }
}

/** Everything wrong with an object's metadata, in the words of the API server. `old` is what an update replaces. */
export function validateMetadata(
  resource: Resource & { custom?: boolean },
  object: ApiObject,
  old?: ApiObject,
): StatusCause[] {
  const { metadata } = object
  return [
    ...(old ? [] : validateName(resource, metadata)),
    ...validateLabels(metadata.labels ?? {}),
    ...validateAnnotations(metadata),
    ...(metadata.ownerReferences ?? []).flatMap((owner) => validateOwner(owner)),
    ...validateControllers(metadata.ownerReferences ?? []),
    ...(metadata.finalizers ?? []).flatMap((each, index) => validateFinalizer(each, index)),
    ...(old ? validateNewFinalizers(metadata, old.metadata, resource.custom === true) : []),
  ]
}

/** Everything wrong with labels. */
export function validateLabels(labels: Readonly<Record<string, string>>): StatusCause[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...validateKey('metadata.labels', key),
    ...validateLabelValue(value),
  ])
}

/** Everything wrong with the keys of annotations that a webhook made, in the server's misspelt words. */
export function validateAnnotationKeys(annotations: Readonly<Record<string, string>>): StatusCause[] {
  return Object.keys(annotations).flatMap((key) => validateKey('metadata.annotation', key.toLowerCase()))
}

function validateName(resource: Resource, { name }: ObjectMeta): StatusCause[] {
  if (name === undefined || name === '') return [required('metadata.name', 'name or generateName is required')]
  const checked = (limit: number, pattern: string, rule: string): StatusCause[] => {
    if (name.length > limit) return [invalidValue('metadata.name', name, `must be no more than ${limit} characters`)]
    return matches(pattern, name) ? [] : [invalidValue('metadata.name', name, rule)]
  }
  if (resource.group === 'rbac.authorization.k8s.io') {
    return /[/%]/.test(name) ? [invalidValue('metadata.name', name, "may not contain '/' or '%'")] : []
  }
  if (resource.group === '' && resource.kind === 'Namespace') {
    return name.includes('.')
      ? [invalidValue('metadata.name', name, 'must not contain dots')]
      : checked(63, labelPattern, labelRule)
  }
  return checked(253, subdomainPattern, subdomainRule)
}

function validateKey(field: string, key: string): StatusCause[] {
  const slash = key.indexOf('/')
  const prefix = slash < 0 ? undefined : key.slice(0, slash)
  const name = key.slice(slash + 1)
  if (prefix !== undefined && (prefix.length > 253 || !matches(subdomainPattern, prefix))) {
    return [invalidValue(field, key, prefix === '' ? 'prefix part must be non-empty' : `prefix part ${subdomainRule}`)]
  }
  if (name.includes('/')) return [invalidValue(field, key, keyRule)]
  if (name === '') return [invalidValue(field, key, 'name part must be non-empty')]
  if (name.length > 63) return [invalidValue(field, key, 'name part must be no more than 63 bytes')]
  return matches(qualifiedPattern, name) ? [] : [invalidValue(field, key, qualifiedRule)]
}

function validateLabelValue(value: string): StatusCause[] {
  if (value.length > 63) return [invalidValue('metadata.labels', value, 'must be no more than 63 bytes')]
  return matches(valuePattern, value) ? [] : [invalidValue('metadata.labels', value, valueRule)]
}

function validateAnnotations({ annotations = {} }: ObjectMeta): StatusCause[] {
  const causes = Object.keys(annotations).flatMap((key) => validateKey('metadata.annotations', key.toLowerCase()))
  const bytes = Object.entries(annotations)
    .flat()
    .reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  if (bytes <= maxAnnotationBytes) return causes
  const message = `Too long: may not be more than ${maxAnnotationBytes} bytes`
  return [...causes, { field: 'metadata.annotations', reason: 'FieldValueTooLong', message }]
}

function validateOwner(owner: OwnerReference): StatusCause[] {
  const fields = ['apiVersion', 'kind', 'name', 'uid'] as const
  return fields
    .filter((field) => owner[field] === undefined || owner[field] === '')
    .map((field) => invalidValue(`metadata.ownerReferences.${field}`, '', 'must not be empty'))
}

/** As Go writes one. */
const inOrder = ({ apiVersion, kind, name, uid, controller, blockOwnerDeletion }: OwnerReference): object => ({
  apiVersion,
  kind,
  name,
  uid,
  controller,
  blockOwnerDeletion,
})

function validateControllers(owners: readonly OwnerReference[]): StatusCause[] {
  const controllers = owners.filter((owner) => owner.controller === true)
  if (controllers.length < 2) return []
  const names = controllers.map((owner) => `${owner.kind}/${owner.name}`).join(' and ')
  const why = `Only one reference can have Controller set to true. Found "true" in references for ${names}`
  return [invalidValue('metadata.ownerReferences', owners.map(inOrder), why)]
}

const standardFinalizers = ['orphan', 'foregroundDeletion', 'kubernetes']

function validateFinalizer(finalizer: string, index: number): StatusCause[] {
  const causes = validateKey('metadata.finalizers', finalizer)
  if (causes.length > 0 || finalizer.includes('/') || standardFinalizers.includes(finalizer)) return causes
  // Old finalizers without a slash are still accepted when they are a domain name.
  if (finalizer.includes('.')) return []
  const why = 'name is neither a standard finalizer name nor is it fully qualified'
  return [invalidValue(`metadata.finalizers[${index}]`, finalizer, why)]
}

function validateNewFinalizers(metadata: ObjectMeta, old: ObjectMeta, isCustom: boolean): StatusCause[] {
  if (old.deletionTimestamp === undefined) return []
  const added = (metadata.finalizers ?? []).filter((finalizer) => !(old.finalizers ?? []).includes(finalizer))
  if (added.length === 0) return []
  const list = `[]string{${added.map((finalizer) => JSON.stringify(finalizer)).join(', ')}}`
  const why = `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`
  const cause = { field: 'metadata.finalizers', reason: 'FieldValueForbidden', message: `Forbidden: ${why}` }
  // The server looks at the metadata of custom objects twice.
  return isCustom ? [cause, cause] : [cause]
}
