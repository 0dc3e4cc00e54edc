import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeError, hasCode } from '../../../src/errors/error.ts'
import { parseDockerConfig } from '../../../src/oci/credentials.ts'
import { formatReference, getManifestName, parseReference, type Reference } from '../../../src/oci/reference.ts'
import { createRegistry, type Registry } from '../../../src/oci/registry.ts'
import { BuildahFailure, type Flags, need, refuse } from './flags.ts'

/** A client as the files that buildah was given say; insecure means both to buildah, plain HTTP and no verification. */
export function openRegistry(flags: Flags, { registry }: Reference): Registry {
  const text = readFileSync(need(flags, 'registries-conf'), 'utf8')
  if (text.includes('[[registry.mirror]]')) return refuse('mirrors')
  const insecure = text.includes(`location = ${JSON.stringify(registry)}\ninsecure = true\n`)
  const authority = join(flags['cert-dir'] ?? '', 'ca.crt')
  const caBundle =
    flags['cert-dir'] !== undefined && existsSync(authority) ? readFileSync(authority, 'utf8') : undefined
  return createRegistry({
    settings: caBundle === undefined ? {} : { caBundle },
    tls: { insecure, insecureSkipTLSVerify: insecure },
    credentials: parseDockerConfig(readFileSync(need(flags, 'authfile'), 'utf8'), 'dockerconfigjson').credentials,
    retries: { attempts: 1 },
    userAgent: 'kmm-stand-in-buildah',
  })
}

/** Parses an image's name. Throws BuildahFailure in buildah's words. */
export function parseImage(text: string): Reference {
  try {
    return parseReference(text)
  } catch {
    throw new BuildahFailure('creating build container: repository name must be lowercase')
  }
}

function describeNetwork(host: string, error: unknown): string {
  const ask = `pinging container registry ${host}: Get "https://${host}/v2/": `
  const why = describeError(error)
  if (why.includes('plain HTTP')) return `${ask}http: server gave HTTP response to HTTPS client`
  if (why.includes('ECONNREFUSED')) return `${ask}dial tcp ${host}: connect: connection refused`
  if (why.includes('ENOTFOUND')) return `${ask}dial tcp: lookup ${host}: no such host`
  return `${ask}${why}`
}

/** What buildah says of a base image that cannot be pulled. */
export function explainPull(reference: Reference, error: unknown): BuildahFailure {
  const { registry, repository } = reference
  const name = formatReference(reference)
  const where = `creating build container: initializing source docker://${name}: `
  const reading = `${where}reading manifest ${getManifestName(reference)} in ${registry}/${repository}: `
  if (hasCode(error, 'ImageNotFound')) return new BuildahFailure(`${reading}manifest unknown: manifest unknown`)
  if (hasCode(error, 'RegistryUnauthorized'))
    return new BuildahFailure(`${reading}unauthorized: authentication required`)
  return new BuildahFailure(`${where}${describeNetwork(registry, error)}`)
}

/** What buildah says of an image that cannot be pushed. */
export function explainPush(id: string, reference: Reference, error: unknown): BuildahFailure {
  const { registry, repository } = reference
  const where = `pushing image "${id}" to "docker://${formatReference(reference)}": `
  if (hasCode(error, 'RegistryUnauthorized'))
    return new BuildahFailure(
      `${where}trying to reuse blob at destination: checking whether a blob exists in ${registry}/${repository}: unauthorized: authentication required`,
    )
  if (hasCode(error, 'RegistryUnreachable'))
    return new BuildahFailure(`${where}trying to reuse blob at destination: ${describeNetwork(registry, error)}`)
  return new BuildahFailure(`${where}uploading manifest: ${describeError(error)}`)
}
