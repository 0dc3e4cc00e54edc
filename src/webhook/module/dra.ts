import type { DeviceClassSpec, DRA } from '../../api/module.ts'
import type { FieldError } from '../../api/schema/field-error.ts'
import { explainTooOldForDra } from '../../kube/dra-support.ts'
import type { ServerVersion } from '../../kube/server-version.ts'
import { missing, quote, when, wrong } from './finding.ts'
import { isDnsSubdomain } from './names.ts'

/** Upstream's Module rule 3; without a server version the cluster is not known, and its version does not matter. */
export function validateDra(dra: DRA, path: string, serverVersion?: ServerVersion): FieldError[] {
  const { driverName, deviceClasses = [] } = dra
  return [
    ...(serverVersion === undefined ? [] : validateServer(serverVersion, path)),
    ...validateName(driverName, `${path}.driverName`),
    ...deviceClasses.flatMap((each, index) => validateName(each.name, `${path}.deviceClasses[${index}].name`)),
    ...findDuplicates(deviceClasses, path),
  ]
}

function validateServer(version: ServerVersion, path: string): FieldError[] {
  const tooOld = explainTooOldForDra(version)
  return tooOld === undefined ? [] : [wrong(path, tooOld)]
}

function validateName(name: string, path: string): FieldError[] {
  if (name === '') return [missing(path, 'must not be empty')]
  return when(!isDnsSubdomain(name), () =>
    wrong(path, `${quote(name)} is not a DNS subdomain: lower-case letters, digits, "-" and ".", as gpu.example.com`),
  )
}

function findDuplicates(classes: readonly DeviceClassSpec[], path: string): FieldError[] {
  const seen = new Set<string>()
  return classes.flatMap(({ name }, index) => {
    const isDuplicate = seen.has(name)
    seen.add(name)
    return when(isDuplicate && name !== '', () =>
      wrong(`${path}.deviceClasses[${index}].name`, `${quote(name)} is in the list already`, 'FieldValueDuplicate'),
    )
  })
}
