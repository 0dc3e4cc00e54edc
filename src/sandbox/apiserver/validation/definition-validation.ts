import { findUnsupportedKeywords } from '../../../api/schema/structural.ts'
import type { StructuralSchema } from '../../../api/schema/schema.ts'
import type { Definition, DefinitionVersion } from '../definition.ts'
import { type ApiObject, isRecord, sameJson } from '../object.ts'
import { notImitated } from '../status-error.ts'
import { validateConversion } from './definition-conversion.ts'
import { validateDefinitionSchema } from './definition-schema.ts'
import { type FieldError, invalid, notSupported, required } from './field-error.ts'
import { checkName, explainRfc1035, explainSubdomain } from './names.ts'

function checkGroup(group: string): FieldError[] {
  if (group === '') return [required('spec.group')]
  const errors = checkName('spec.group', group, explainSubdomain)
  if (errors.length > 0 || group.includes('.')) return errors
  return [invalid('spec.group', group, 'should be a domain with at least one dot')]
}

/** `place` is how the server calls the schema: one that all versions share stands above them. */
function checkVersion(version: DefinitionVersion, field: string, place: string): FieldError[] {
  const schema = version.schema?.openAPIV3Schema as StructuralSchema | undefined
  const errors = checkName(`${field}.name`, version.name, explainRfc1035)
  if (schema === undefined) return [...errors, required(`${field}.schema.openAPIV3Schema`)]
  errors.push(...validateDefinitionSchema(schema, `${place}.openAPIV3Schema`))
  if (errors.length > 0) return errors
  const [unsupported] = findUnsupportedKeywords(schema)
  if (unsupported !== undefined) throw notImitated(`in the schema of a CustomResourceDefinition: ${unsupported}`)
  return []
}

function checkVersions(versions: readonly DefinitionVersion[]): FieldError[] {
  const [first] = versions
  const isShared = versions.every((version) => sameJson(version.schema ?? null, first?.schema ?? null))
  const checked = isShared ? versions.slice(0, 1) : versions
  const errors = checked.flatMap((version, index) => {
    const field = `spec.versions[${index}]`
    return checkVersion(version, field, isShared ? 'spec.validation' : `${field}.schema`)
  })
  const names = versions.map((version) => version.name)
  if (new Set(names).size !== names.length)
    errors.push(invalid('spec.versions', names, 'must contain unique version names'))
  if (versions.filter((version) => version.storage).length !== 1)
    errors.push(invalid('spec.versions', names, 'must have exactly one version marked as storage version'))
  return errors
}

function checkNames({ spec, metadata }: Definition): FieldError[] {
  const { plural, singular, kind, listKind, shortNames = [] } = spec.names
  const errors: FieldError[] = []
  if (metadata.name !== `${plural}.${spec.group}`)
    errors.push(invalid('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group'))
  const named = { plural, singular }
  for (const [field, name = ''] of Object.entries(named))
    errors.push(
      ...(name === '' ? [required(`spec.names.${field}`)] : checkName(`spec.names.${field}`, name, explainRfc1035)),
    )
  if (kind === '') errors.push(required('spec.names.kind'))
  else if (kind === listKind)
    errors.push(invalid('spec.names.listKind', listKind, 'kind and listKind may not be the same'))
  shortNames.forEach((name, index) =>
    errors.push(...checkName(`spec.names.shortNames[${index}]`, name, explainRfc1035)),
  )
  return errors
}

/** Everything wrong with a CustomResourceDefinition. A schema that the sandbox cannot apply is answered with 501. */
export function validateDefinition(object: ApiObject): FieldError[] {
  const spec = isRecord(object['spec']) ? object['spec'] : {}
  if (!isRecord(spec['names'])) return [required('spec.names')]
  if (!Array.isArray(spec['versions']) || spec['versions'].length === 0) return [required('spec.versions')]
  const definition = object as Definition
  const { group = '', scope = '' } = spec as { group?: string; scope?: string }
  const scopes = ['Cluster', 'Namespaced']
  return [
    ...checkNames(definition),
    ...checkGroup(group),
    ...(scope === ''
      ? [required('spec.scope')]
      : scopes.includes(scope)
        ? []
        : [notSupported('spec.scope', scope, scopes)]),
    ...checkVersions(definition.spec.versions),
    ...validateConversion(definition.spec.conversion ?? { strategy: 'None' }),
  ]
}
