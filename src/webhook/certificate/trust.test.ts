import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAuthority } from '../../kube/certificate.ts'
import { secrets, validatingWebhookConfigurations } from '../../kube/core-resources.ts'
import { createKubeClient, type HttpKubeClient } from '../../kube/http-client.ts'
import { loadKubeconfig } from '../../kube/kubeconfig.ts'
import { type ApiServer, startApiServer } from '../../sandbox/apiserver/api-server.ts'
import { operatorConfiguration } from '../configuration.ts'
import { keepCertificateSecret } from './certificate-secret.ts'
import { type CertificateSet, formatBundle } from './certificate-set.ts'
import { injectTrust } from './trust.ts'

const startMs = Date.UTC(2026, 0, 1)
const minuteMs = 60_000
const never = new AbortController().signal
const { name } = operatorConfiguration.metadata

let server: ApiServer
let client: HttpKubeClient
beforeEach(async () => {
  server = await startApiServer({})
  client = createKubeClient({ connection: loadKubeconfig({ text: server.kubeconfig }), userAgent: 'test' })
  await client.create(validatingWebhookConfigurations, operatorConfiguration)
})
afterEach(async () => {
  await client.close()
  await server.stop()
})

const key = { namespace: 'default', name: 'certificates' }

/** A pass of one replica. */
async function pass(nowMs: number, takenOver: string[] = []): Promise<CertificateSet> {
  const set = await keepCertificateSecret({ client, ...key, hosts: ['a.svc'] }, nowMs, never)
  const answer = await injectTrust(client, { webhookConfiguration: name }, { set, nowMs }, never)
  expect(answer).toEqual({ absent: [], takenOver })
  return set
}

const readAnnotations = async () => (await client.get(validatingWebhookConfigurations, { name })).metadata?.annotations
const taken = [`ValidatingWebhookConfiguration ${name}`]

/** What cert-manager's injector does as soon as the object changes. */
async function injectAsCertManager(certificate: string): Promise<void> {
  if ((await readAnnotations())?.['cert-manager.io/inject-ca-from'] !== undefined) await trustAnother(certificate)
}

/** What API servers trust; the same at every webhook. */
async function readBundle(): Promise<string> {
  const { webhooks = [] } = await client.get(validatingWebhookConfigurations, { name })
  const bundles = new Set(webhooks.map(({ clientConfig }) => clientConfig.caBundle ?? ''))
  expect(bundles.size).toBe(1)
  return Buffer.from([...bundles].join(), 'base64').toString()
}

async function trustAnother(certificate: string): Promise<void> {
  const present = await client.get(validatingWebhookConfigurations, { name })
  const caBundle = Buffer.from(certificate).toString('base64')
  await client.replace(validatingWebhookConfigurations, {
    ...present,
    webhooks: (present.webhooks ?? []).map((each) => ({ ...each, clientConfig: { ...each.clientConfig, caBundle } })),
  })
}

describe('API servers trust', () => {
  it('the authorities, and are told of them once', async () => {
    const set = await pass(startMs)
    expect(await readBundle()).toBe(formatBundle(set))
    const writes = server.writes.length
    await pass(startMs + minuteMs)
    expect(server.writes).toHaveLength(writes)
  })

  it('what other replicas still serve where the Secret was deleted, and not for long', async () => {
    const lost = await pass(startMs)
    const laterMs = startMs + 3_000 * minuteMs
    await client.delete(secrets, key)
    const next = await pass(laterMs)
    expect(await readAnnotations()).toEqual(operatorConfiguration.metadata.annotations)
    expect(await readBundle()).toBe(formatBundle(next) + formatBundle(lost))
    await pass(laterMs + minuteMs)
    expect(await readBundle()).toBe(formatBundle(next) + formatBundle(lost))
    await pass(laterMs + 11 * minuteMs)
    expect(await readBundle()).toBe(formatBundle(next))
  })

  it('what was mounted before the webhook made certificates of its own, while it is rolled out', async () => {
    const mounted = createAuthority('cert-manager', startMs).certificate
    // As others write it, without a line break at the end.
    await trustAnother(mounted.trim())
    const set = await pass(startMs, taken)
    expect(await readBundle()).toBe(formatBundle(set) + mounted)
    await injectAsCertManager(mounted)
    await pass(startMs + 11 * minuteMs)
    expect(await readBundle()).toBe(formatBundle(set))
  })

  it('the webhook, where cert-manager goes on for a configuration that is written again', async () => {
    const other = createAuthority('cert-manager', startMs).certificate
    const set = await pass(startMs)
    expect(await readAnnotations()).toEqual(operatorConfiguration.metadata.annotations)
    await injectAsCertManager(other)
    await pass(startMs + 11 * minuteMs, taken)
    await injectAsCertManager(other)
    expect(await readBundle()).toBe(formatBundle(set))
    expect(await readAnnotations()).toBeUndefined()
  })

  it('nobody whose time is over', async () => {
    await trustAnother(createAuthority('old', startMs - 400 * 24 * 60 * minuteMs).certificate)
    const set = await pass(startMs, taken)
    expect(await readBundle()).toBe(formatBundle(set))
  })

  it('nobody else again when somebody writes over it', async () => {
    const set = await pass(startMs)
    await trustAnother(createAuthority('other', startMs).certificate)
    await pass(startMs + 11 * minuteMs, taken)
    expect(await readBundle()).toBe(formatBundle(set))
  })
})
