import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestStore } from '../../../../test/sandbox-store.ts'
import { makeLoopbackCertificate } from '../../../kube/certificate.ts'
import { builtInResources } from '../built-in-resources.ts'
import type { WriteRequest } from '../hooks.ts'
import { StatusError } from '../status-error.ts'
import type { Store } from '../store.ts'
import { createValidatingWebhooks } from './webhook.ts'
import type { Webhook } from './webhook-rules.ts'

type Review = { request: { uid: string; operation: string; name: string; object: { metadata: { name: string } } } }

let server: Server
let url: string
let reviews: Review[]
let respond: (review: Review) => unknown
let store: Store
let warnings: string[]

const answer: RequestListener = (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const review = JSON.parse(Buffer.concat(chunks).toString()) as Review
    reviews.push(review)
    const verdict = respond(review)
    if (verdict !== undefined)
      response.end(JSON.stringify({ response: { uid: review.request.uid, ...(verdict as object) } }))
  })
}

async function listen(listener: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    listener.listen(0, '127.0.0.1', resolve)
  })
  return (listener.address() as AddressInfo).port
}

beforeEach(async () => {
  reviews = []
  warnings = []
  server = createServer(answer)
  url = `http://127.0.0.1:${await listen(server)}/validate`
  store = createTestStore()
  store.create(
    { group: '', plural: 'namespaces' },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'ns', labels: { team: 'a' } } },
  )
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const pods = builtInResources.find((each) => each.plural === 'pods')!

async function admit(webhook: Partial<Webhook>, change: Partial<WriteRequest> = {}): Promise<void> {
  const rules = [{ operations: ['CREATE', 'UPDATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }]
  const complete = { name: 'check.kmm.io', clientConfig: { url }, rules, ...webhook }
  store.create(
    { group: 'admissionregistration.k8s.io', plural: 'validatingwebhookconfigurations' },
    { apiVersion: 'v1', kind: '', metadata: { name: 'w' }, webhooks: [complete] },
  )
  await createValidatingWebhooks(store).admit({
    operation: 'CREATE',
    resource: pods,
    namespace: 'ns',
    name: 'x',
    object: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x', namespace: 'ns', labels: { app: 'b' } } },
    options: {},
    user: { name: 'admin', groups: ['system:masters'] },
    userAgent: 'test',
    dryRun: false,
    warn: (message) => warnings.push(message),
    ...change,
  })
}

async function refusal(webhook: Partial<Webhook>, change?: Partial<WriteRequest>): Promise<StatusError> {
  const error = await admit(webhook, change).catch((thrown: unknown) => thrown)
  if (error instanceof StatusError) return error
  throw new Error(`expected a refusal, got ${String(error)}`)
}

describe('a validating webhook', () => {
  it('sees the write and lets it pass, with warnings', async () => {
    respond = () => ({ allowed: true, warnings: ['think twice'] })
    await admit({})
    expect(reviews[0]?.request).toMatchObject({ operation: 'CREATE', name: 'x', namespace: 'ns', oldObject: null })
    expect(warnings).toEqual(['think twice'])
  })

  it('refuses with its own code and words', async () => {
    respond = () => ({ allowed: false, status: { code: 403, reason: 'Forbidden', message: 'not today' } })
    const error = await refusal({})
    expect(error.status).toBe(403)
    expect(error.message).toBe('admission webhook "check.kmm.io" denied the request: not today')
  })

  it('may refuse without a word', async () => {
    respond = () => ({ allowed: false })
    const error = await refusal({})
    expect(error.status).toBe(400)
    expect(error.message).toBe('admission webhook "check.kmm.io" denied the request without explanation')
  })

  it.each<[what: string, webhook: Partial<Webhook>, change?: Partial<WriteRequest>]>([
    ['other operations', {}, { operation: 'DELETE' }],
    ['other namespaces', { namespaceSelector: { matchLabels: { team: 'b' } } }],
    ['other objects', { objectSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['b'] }] } }],
    ['subresources that it does not name', {}, { subresource: 'status' }],
    [
      'another scope',
      { rules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], scope: 'Cluster' }] },
    ],
  ])('is not asked about %s', async (_what, webhook, change) => {
    respond = () => ({ allowed: false })
    await admit(webhook, change)
    expect(reviews).toEqual([])
  })

  it('that does not answer fails the write, or is passed over, as its policy says', async () => {
    const clientConfig = { url: 'http://127.0.0.1:1/validate' }
    const error = await refusal({ clientConfig })
    expect(error.status).toBe(500)
    expect(error.message).toMatch(
      /^Internal error occurred: failed calling webhook "check\.kmm\.io": failed to call webhook: Post "http:\/\/127\.0\.0\.1:1\/validate\?timeout=10s": /,
    )
    store.delete({ group: 'admissionregistration.k8s.io', plural: 'validatingwebhookconfigurations' }, { name: 'w' })
    await admit({ clientConfig, failurePolicy: 'Ignore' })
  })

  it('that takes too long is given up', async () => {
    respond = () => undefined
    const error = await refusal({ timeoutSeconds: 1 })
    expect(error.message).toBe(
      `Internal error occurred: failed calling webhook "check.kmm.io": failed to call webhook: Post "${url}?timeout=1s": context deadline exceeded`,
    )
  })

  it('behind a service that does not exist cannot be asked', async () => {
    const error = await refusal({ clientConfig: { service: { namespace: 'kmm', name: 'webhook' } } })
    expect(error.message).toBe(
      'Internal error occurred: failed calling webhook "check.kmm.io": failed to call webhook: Post "https://webhook.kmm.svc:443/?timeout=10s": service "webhook" not found',
    )
  })

  it('with side effects does not take part in dry runs', async () => {
    const error = await refusal({ sideEffects: 'Some' }, { dryRun: true })
    expect(error.message).toBe('admission webhook "check.kmm.io" does not support dry run')
  })

  it('speaks TLS with the authority of its configuration, and with no other', async () => {
    const { key, certificate } = makeLoopbackCertificate(Date.now())
    const secure = createTlsServer({ key, cert: certificate }, answer)
    const clientConfig = { url: `https://127.0.0.1:${await listen(secure)}/validate` }
    respond = () => ({ allowed: true })
    await admit({ clientConfig: { ...clientConfig, caBundle: Buffer.from(certificate).toString('base64') } })
    expect(reviews).toHaveLength(1)
    store.delete({ group: 'admissionregistration.k8s.io', plural: 'validatingwebhookconfigurations' }, { name: 'w' })
    const error = await refusal({ clientConfig })
    expect(error.message).toContain('failed to call webhook: Post')
    expect(reviews).toHaveLength(1)
    secure.closeAllConnections()
    await new Promise((resolve) => secure.close(resolve))
  })
})
