import { reviewVersions } from '../conversion/conversion-review.ts'
import type { DefinitionConversion } from '../definition.ts'
import type { WebhookClientConfig } from '../webhook-call.ts'
import { type FieldError, forbidden, invalid, notSupported, required } from './field-error.ts'
import { checkName, explainRfc1035, explainSubdomain } from './names.ts'

const field = 'spec.conversion'
/** Errors name the fields as they were in v1beta1. */
const versionsField = `${field}.conversionReviewVersions`
const clientField = `${field}.webhookClientConfig`
const strategies = ['None', 'Webhook']

/** Everything wrong with the conversion of a definition. */
export function validateConversion({ strategy = '', webhook }: DefinitionConversion): FieldError[] {
  if (strategy === '') return [required(`${field}.strategy`)]
  if (!strategies.includes(strategy)) return [notSupported(`${field}.strategy`, strategy, strategies)]
  const { clientConfig, conversionReviewVersions: versions = [] } = webhook ?? {}
  if (strategy === 'Webhook') return [...validateClient(clientConfig), ...validateVersions(versions)]
  const why = 'should not be set when strategy is not set to Webhook'
  return [
    ...(clientConfig === undefined ? [] : [forbidden(clientField, why)]),
    ...(versions.length === 0 ? [] : [forbidden(versionsField, why)]),
  ]
}

function validateVersions(versions: readonly string[]): FieldError[] {
  if (versions.length === 0) return [required(versionsField)]
  const errors = versions.flatMap((version, index) => {
    const at = `${versionsField}[${index}]`
    return versions.indexOf(version) < index
      ? [invalid(at, version, 'duplicate version')]
      : checkName(at, version, explainRfc1035)
  })
  if (versions.some((version) => reviewVersions.includes(version))) return errors
  return [...errors, invalid(versionsField, versions, `must include at least one of ${reviewVersions.join(', ')}`)]
}

function validateClient(config: WebhookClientConfig | undefined): FieldError[] {
  if (config === undefined) return [required(clientField, 'required when strategy is set to Webhook')]
  const { url, service } = config
  if ((url === undefined) === (service === undefined))
    return [required(clientField, 'exactly one of url or service is required')]
  if (url !== undefined) return validateUrl(url, `${clientField}.url`)
  return service === undefined ? [] : validateService(service, `${clientField}.service`)
}

const urlPattern = /^(?:([^:/?#]+):)?(?:\/\/(?:([^@/?#]*)@)?([^/?#]*))?[^?#]*(?:\?([^#]*))?(?:#(.*))?$/
const urlForm = 'desired format: https://host[/path]'

function validateUrl(url: string, at: string): FieldError[] {
  const [, scheme = '', user, host = '', query, fragment] = urlPattern.exec(url) ?? []
  return [
    ...(scheme === 'https' ? [] : [invalid(at, scheme, `'https' is the only allowed URL scheme; ${urlForm}`)]),
    ...(host === '' ? [invalid(at, host, `host must be specified; ${urlForm}`)] : []),
    ...(user === undefined ? [] : [invalid(at, user, 'user information is not permitted in the URL')]),
    ...(fragment ? [invalid(at, fragment, 'fragments are not permitted in the URL')] : []),
    ...(query ? [invalid(at, query, 'query parameters are not permitted in the URL')] : []),
  ]
}

type Service = NonNullable<WebhookClientConfig['service']>

function validateService({ name, namespace, path, port = 443 }: Service, at: string): FieldError[] {
  const isPort = Number.isInteger(port) && port >= 1 && port <= 65_535
  return [
    ...(name === '' ? [required(`${at}.name`)] : []),
    ...(namespace === '' ? [required(`${at}.namespace`)] : []),
    ...(path === undefined ? [] : validatePath(path, `${at}.path`)),
    ...(isPort ? [] : [invalid(`${at}.port`, port, 'port is not valid: must be between 1 and 65535, inclusive')]),
  ]
}

function validatePath(path: string, at: string): FieldError[] {
  if (path === '' || path === '/') return []
  if (path === '//') return [invalid(at, path, 'segment[0] may not be empty')]
  const segments = path.slice(1).replace(/\/$/, '').split('/')
  const faults = segments.flatMap((segment, index) => {
    const why = segment === '' ? ' may not be empty' : explainSubdomain(segment)
    return why === undefined ? [] : [`segment[${index}]${segment === '' ? why : `: ${why}`}`]
  })
  const start = path.startsWith('/') ? [] : ["must start with a '/'"]
  return [...start, ...faults].map((why) => invalid(at, path, why))
}
