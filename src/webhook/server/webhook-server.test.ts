import { X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Agent, request } from 'undici'
import { type Certificate, createAuthority } from '../../kube/certificate.ts'
import { realClock } from '../../kube/clock.ts'
import { webhookPaths, createRoutes } from './routes.ts'
import { startWebhookServer, type WebhookServer } from './webhook-server.ts'

const authority = createAuthority('test', Date.now())
const issue = (): Certificate =>
  authority.issue({ commonName: 'x', uses: ['server'], hosts: ['127.0.0.1', 'localhost'] })

let server: WebhookServer
let agent: Agent
let log: string[]
let records: string[]
const note = (fields: object, message: string): void => void log.push(`${message} ${JSON.stringify(fields)}`)

beforeEach(async () => {
  log = []
  const enabled = { module: true, namespace: true, preflightValidation: true, managedClusterModule: false }
  const routes = createRoutes(enabled, () => Promise.reject(new Error('the version is secret')))
  records = []
  server = await startWebhookServer({
    port: 0,
    routes,
    certificate: issue(),
    logger: { info: note, warn: note },
    clock: realClock,
    onReview: ({ kind, code, result }) => records.push(`${kind} ${code} ${result}`),
  })
  agent = new Agent({ connect: { ca: authority.certificate } })
})
afterEach(async () => {
  await agent.destroy()
  await server.stop()
})

interface Post {
  path?: string
  body?: string | Buffer
  headers?: Record<string, string>
  method?: 'POST' | 'PUT'
}

async function post({ path = webhookPaths.module, body = '{}', headers = {}, method = 'POST' }: Post) {
  const answer = await request(`https://127.0.0.1:${server.port}${path}`, {
    method,
    dispatcher: agent,
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
  return { status: answer.statusCode, text: await answer.body.text() }
}

const kind = { group: 'kmm.sigs.x-k8s.io', version: 'v1beta1', kind: 'Module' }
const module = (spec: object) => ({
  apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
  kind: 'Module',
  metadata: { name: 'm', namespace: 'n' },
  spec,
})
const review = (object: unknown): string =>
  JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: 'u', operation: 'CREATE', kind, object },
  })

const conversion = (desiredAPIVersion: string): string =>
  JSON.stringify({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'ConversionReview',
    request: { uid: 'u', desiredAPIVersion, objects: [] },
  })

describe('the webhook', () => {
  it('answers reviews over TLS, whatever query the API server adds', async () => {
    const { status, text } = await post({
      path: `${webhookPaths.module}?timeout=10s`,
      body: review(module({ selector: {} })),
    })
    expect([status, JSON.parse(text)]).toEqual([
      200,
      { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: 'u', allowed: true } },
    ])
  })

  it('tells how each review ended', async () => {
    await post({ body: review(module({ selector: {} })) })
    await post({ body: review(module({ selector: 'all' })) })
    await post({ body: '{' })
    await post({ path: webhookPaths.conversion, body: conversion('kmm.sigs.x-k8s.io/v1beta1') })
    await post({ path: webhookPaths.conversion, body: conversion('kmm.sigs.x-k8s.io/v3') })
    await post({ body: review(module({ selector: {}, dra: { container: { image: 'd:1' }, driverName: 'gpu' } })) })
    await post({ path: '/invented' })
    expect(records).toEqual([
      'Module 200 allowed',
      'Module 200 refused',
      'Module 400 unreadable',
      'PreflightValidation 200 converted',
      'PreflightValidation 200 failed',
      'Module 500 error',
    ])
  })

  it.each<[what: string, status: number, request: Post]>([
    ['another path', 404, { path: '/' }],
    ['what is not enabled', 404, { path: webhookPaths.managedClusterModule }],
    ['another method', 405, { method: 'PUT' }],
    ['another type', 415, { headers: { 'content-type': 'text/plain' } }],
    ['no JSON', 400, { body: '{' }],
    ['no UTF-8', 400, { body: Buffer.from([0xff, 0xfe]) }],
    ['no review', 400, {}],
    ['a review of another path', 400, { path: webhookPaths.namespace, body: review(module({ selector: {} })) }],
    ['no conversion', 400, { path: webhookPaths.conversion, body: review(module({})) }],
  ])('refuses %s with %i', async (_what, status, request) => {
    expect((await post(request)).status).toBe(status)
  })

  it.each([
    ['an admission', webhookPaths.module, 7],
    ['a conversion', webhookPaths.conversion, 32],
  ])('reads no more than %s may have, and goes on', async (_what, path, mebibytes) => {
    const size = mebibytes * 1024 * 1024
    expect((await post({ path, body: Buffer.alloc(size, 0x20) })).status).toBe(400)
    const answer = await post({ path, body: Buffer.alloc(size + 1, 0x20) }).catch((error: unknown) => String(error))
    // Who is refused while sending may see the end of the connection before the answer.
    if (typeof answer === 'object') expect(answer.status).toBe(413)
    else expect(answer).toMatch(/SocketError|EPIPE|ECONNRESET/)
    expect((await post({ body: review(module({ selector: {} })) })).status).toBe(200)
  })

  it('survives nesting that overflows the stack', async () => {
    const depth = 200_000
    const deep = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
    const body = review('DEEP').replace(
      '"DEEP"',
      JSON.stringify(module({ selector: {} })).replace('"selector":{}', `"selector":${deep}`),
    )
    expect((await post({ body })).status).toBeOneOf([200, 400])
    expect((await post({ body: review(module({ selector: {} })) })).status).toBe(200)
  })

  it('keeps words of what nobody expected to its log', async () => {
    const dra = { container: { image: 'd:1' }, driverName: 'gpu' }
    const { status, text } = await post({ body: review(module({ selector: {}, dra })) })
    expect(status).toBe(500)
    expect(text).not.toContain('secret')
    expect(log.join()).toContain('the version is secret')
  })

  it('serves a new certificate to new connections without a restart', async () => {
    const next = issue()
    const serial = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect({ port: server.port, host: '127.0.0.1', ca: authority.certificate }, () => {
          resolve(socket.getPeerCertificate().serialNumber)
          socket.destroy()
        }).on('error', reject)
      })
    const before = await serial()
    server.useCertificate(next)
    expect(await serial()).toBe(new X509Certificate(next.certificate).serialNumber)
    expect(await serial()).not.toBe(before)
  })

  it('refuses connections below TLS 1.2', async () => {
    const attempt = new Promise((resolve, reject) => {
      const options = {
        port: server.port,
        host: '127.0.0.1',
        ca: authority.certificate,
        minVersion: 'TLSv1' as const,
        maxVersion: 'TLSv1.1' as const,
        ciphers: 'DEFAULT@SECLEVEL=0',
      }
      connect(options, () => resolve('connected')).on('error', reject)
    })
    await expect(attempt).rejects.toThrow()
  })
})
