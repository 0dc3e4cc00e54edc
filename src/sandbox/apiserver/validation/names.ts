import { type FieldError, invalid } from './field-error.ts'

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomain = `${label}(\\.${label})*`
const labelPattern = new RegExp(`^${label}$`)
const subdomainPattern = new RegExp(`^(?:${subdomain})$`)
const versionPattern = /^[a-z]([-a-z0-9]*[a-z0-9])?$/
const keyPattern = /^[-._a-zA-Z0-9]+$/

/** What is wrong with a name of at most 63 characters, such as a container's; undefined when it is well formed. */
export function explainLabel(name: string): string | undefined {
  if (name.length > 63) return 'must be no more than 63 bytes'
  if (labelPattern.test(name)) return undefined
  return `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${label}')`
}

/** What is wrong with a name of the form of a domain; undefined when it is well formed. */
export function explainSubdomain(name: string): string | undefined {
  if (name.length > 253) return 'must be no more than 253 bytes'
  if (subdomainPattern.test(name)) return undefined
  return `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${subdomain}')`
}

/** What is wrong with a name that begins with a letter, such as an API version; undefined when it is well formed. */
export function explainRfc1035(name: string): string | undefined {
  if (name.length > 63) return 'must be no more than 63 bytes'
  if (versionPattern.test(name)) return undefined
  return `a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`
}

/** What is wrong with a key of a Secret or ConfigMap; undefined when it is well formed. */
export function explainDataKey(key: string): string | undefined {
  if (key.length > 253) return 'must be no more than 253 bytes'
  if (key === '.' || key === '..') return `must not be '${key}'`
  if (key.startsWith('..')) return "must not start with '..'"
  if (keyPattern.test(key)) return undefined
  return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
}

/** The error of a field whose name is malformed; empty when it is well formed. */
export function checkName(field: string, name: string, explain: (name: string) => string | undefined): FieldError[] {
  const why = explain(name)
  return why === undefined ? [] : [invalid(field, name, why)]
}
