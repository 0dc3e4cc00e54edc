import type { DeviceClassSpec, DRA } from '../../api/module.ts'
import type { FieldError } from '../../api/schema/field-error.ts'
import { missing, quote, when, wrong } from './finding.ts'
import { isDnsSubdomain } from './names.ts'

/** A version of Kubernetes, as 1.34. */
export interface ServerVersion {
  major: number
  minor: number
}

/** The first version whose API for dynamic resource allocation KMM uses. */
const leastVersion = { major: 1, minor: 34 }

/** Reads `gitVersion` of an API server, as `v1.34.1+k3s1`; undefined where it is no version. */
export function parseServerVersion(gitVersion: string): ServerVersion | undefined {
  const match = /^v?(\d+)\.(\d+)/.exec(gitVersion)
  return match ? { major: Number(match[1]), minor: Number(match[2]) } : undefined
}

const isOlder = ({ major, minor }: ServerVersion): boolean =>
  major < leastVersion.major || (major === leastVersion.major && minor < leastVersion.minor)

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
  return when(isOlder(version), () =>
    wrong(
      path,
      `needs Kubernetes ${leastVersion.major}.${leastVersion.minor} or later, and this cluster is ${version.major}.${version.minor}; use devicePlugin, or upgrade the cluster`,
    ),
  )
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
