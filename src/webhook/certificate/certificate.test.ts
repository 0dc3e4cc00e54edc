import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAuthority } from '../../kube/certificate.ts'
import { createFakeClock } from '../../kube/fake-clock.ts'
import { secrets } from '../../kube/core-resources.ts'
import { createKubeClient, type HttpKubeClient } from '../../kube/http-client.ts'
import { loadKubeconfig } from '../../kube/kubeconfig.ts'
import { type ApiServer, startApiServer } from '../../sandbox/apiserver/api-server.ts'
import { readCertificateFiles } from './certificate-files.ts'
import { keepCertificateSecret } from './certificate-secret.ts'
import { type CertificateSet, decideStep, formatBundle, overlapMs, takeStep } from './certificate-set.ts'
import { createCertificateKeeper } from './keep-certificate.ts'

const dayMs = 86_400_000
const startMs = Date.UTC(2026, 0, 1)
const hosts = ['kmm-operator-webhook-service.kmm-operator-system.svc', '127.0.0.1']
const never = new AbortController().signal

/** All steps that a set needs at a time. */
function settle(set: CertificateSet | undefined, nowMs: number): CertificateSet {
  let current = set
  for (let step = decideStep(current, nowMs, hosts); step; step = decideStep(current, nowMs, hosts))
    current = takeStep(current, step, { nowMs, hosts })
  if (current === undefined) throw new Error('a set needs no step and is not there')
  return current
}

function isTrusted({ serving }: CertificateSet, by: CertificateSet, nowMs: number): boolean {
  const parsed = new X509Certificate(serving.certificate)
  const isValid = (each: X509Certificate): boolean =>
    new Date(each.validFrom).getTime() <= nowMs && nowMs < new Date(each.validTo).getTime()
  return by.authorities
    .map(({ certificate }) => new X509Certificate(certificate))
    .some((each) => isValid(each) && isValid(parsed) && parsed.checkIssued(each) && parsed.verify(each.publicKey))
}

describe('certificates of its own', () => {
  it('serve the names that they are for', () => {
    const parsed = new X509Certificate(settle(undefined, startMs).serving.certificate)
    expect(parsed.checkHost(hosts[0] ?? '')).toBeDefined()
    expect(parsed.checkIP('127.0.0.1')).toBeDefined()
  })

  it('are trusted through three years of rotation, by API servers that learnt of them a day ago too', () => {
    let set = settle(undefined, startMs)
    const past: CertificateSet[] = []
    const seen = new Set<string>()
    let most = 0
    for (let day = 0; day < 3 * 365; day++) {
      const nowMs = startMs + day * dayMs
      set = settle(set, nowMs)
      past.push(set)
      const [yesterday = set] = past.slice(-2)
      expect(isTrusted(set, yesterday, nowMs)).toBe(true)
      // A replica that has not reloaded yet serves what was served yesterday.
      expect(isTrusted(yesterday, set, nowMs)).toBe(true)
      seen.add(set.serving.certificate)
      most = Math.max(most, set.authorities.length)
    }
    expect(most).toBe(2)
    expect(set.authorities).toHaveLength(1)
    expect(seen.size).toBeGreaterThan(12)
  })

  it('start anew after a long sleep', () => {
    const old = settle(undefined, startMs)
    const nowMs = startMs + 800 * dayMs
    const set = settle(old, nowMs)
    expect(isTrusted(set, set, nowMs)).toBe(true)
    expect(set.authorities).toHaveLength(1)
  })

  it('are issued again for other names', () => {
    const set = settle(undefined, startMs)
    expect(decideStep(set, startMs, hosts)).toBeUndefined()
    expect(decideStep(set, startMs, ['other.svc'])).toEqual({ type: 'issue', by: 0 })
  })

  it('are not of an authority that API servers may not know', () => {
    const set = settle(undefined, startMs)
    const both = takeStep(set, { type: 'addAuthority' }, { nowMs: startMs + 300 * dayMs, hosts })
    const serving = (afterMs: number) => settle(both, startMs + 300 * dayMs + afterMs)
    const isOf = (made: CertificateSet, index: number): boolean =>
      new X509Certificate(made.serving.certificate).verify(
        new X509Certificate(both.authorities[index]?.certificate ?? '').publicKey,
      )
    expect(isOf(serving(overlapMs - 1_000), 0)).toBe(true)
    expect(isOf(serving(overlapMs), 1)).toBe(true)
  })
})

describe('the Secret of the certificates', () => {
  let server: ApiServer
  let client: HttpKubeClient
  beforeEach(async () => {
    server = await startApiServer({})
    client = createKubeClient({ connection: loadKubeconfig({ text: server.kubeconfig }), userAgent: 'test' })
  })
  afterEach(async () => {
    await client.close()
    await server.stop()
  })

  const place = () => ({ client, namespace: 'default', name: 'kmm-webhook-certificates', hosts })

  it('is made by one of several replicas, and taken by all', async () => {
    const sets = await Promise.all([1, 2, 3, 4].map(() => keepCertificateSecret(place(), startMs, never)))
    expect(new Set(sets.map(({ serving }) => serving.certificate)).size).toBe(1)
  })

  it('is renewed by one of several replicas when its time has come, and left alone before', async () => {
    const first = await keepCertificateSecret(place(), startMs, never)
    const writes = server.writes.length
    expect(await keepCertificateSecret(place(), startMs + dayMs, never)).toEqual(first)
    expect(server.writes).toHaveLength(writes)
    const laterMs = startMs + 70 * dayMs
    const sets = await Promise.all([1, 2, 3].map(() => keepCertificateSecret(place(), laterMs, never)))
    expect(new Set(sets.map(({ serving }) => serving.certificate)).size).toBe(1)
    expect(sets[0]?.serving).not.toEqual(first.serving)
    expect(sets.map(formatBundle)).toEqual(sets.map(() => formatBundle(first)))
  })

  it.each<[string, (data: Record<string, string>) => Record<string, string>]>([
    ['nothing', () => ({})],
    ['no PEM', (data) => ({ ...data, 'tls.crt': Buffer.from('x').toString('base64') })],
    [
      'keys of others',
      (data) => ({ ...data, 'ca.key': Buffer.from(createAuthority('x', startMs).key).toString('base64') }),
    ],
  ])('that holds %s is written anew', async (_what, change) => {
    const first = await keepCertificateSecret(place(), startMs, never)
    const secret = await client.get(secrets, { namespace: 'default', name: 'kmm-webhook-certificates' })
    await client.replace(secrets, { ...secret, data: change(secret.data ?? {}) })
    const next = await keepCertificateSecret(place(), startMs, never)
    expect(next.serving).not.toEqual(first.serving)
    expect(await keepCertificateSecret(place(), startMs, never)).toEqual(next)
  })
})

describe('a mounted certificate', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kmm-webhook-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  const issue = () => createAuthority('a', Date.now()).issue({ commonName: 'x', uses: ['server'], hosts })
  async function mount({ key, certificate }: { key: string; certificate: string }): Promise<void> {
    await writeFile(join(folder, 'tls.key'), key)
    await writeFile(join(folder, 'tls.crt'), certificate)
  }

  it('is served once it is there, and again when it changes, but not half of it', async () => {
    const clock = createFakeClock(Date.now())
    const log: string[] = []
    const note = (_fields: object, message: string): void => void log.push(message)
    const keeper = createCertificateKeeper({
      load: () => readCertificateFiles(folder),
      everyMs: 10_000,
      clock,
      logger: { info: note, warn: note },
    })
    const served: string[] = []
    // Each pass reads files, in real time.
    const patience = { timeout: 30_000 }
    const nextPass = async (): Promise<void> => {
      await expect.poll(() => clock.pendingTimers, patience).toBe(1)
    }
    const first = keeper.start(({ certificate }) => void served.push(certificate))
    await nextPass()
    expect(keeper.findFault()).toBe('there is no certificate yet')
    const [one, two] = [issue(), issue()]
    await mount(one)
    await clock.advance(5_000)
    expect((await first)?.certificate).toBe(one.certificate)
    expect(keeper.findFault()).toBeUndefined()
    await mount({ ...two, key: one.key })
    await nextPass()
    await clock.advance(10_000)
    await expect.poll(() => log.filter((line) => line.includes('could not')).length, patience).toBe(2)
    expect(served).toEqual([one.certificate])
    await mount(two)
    await nextPass()
    await clock.advance(10_000)
    await expect.poll(() => served, patience).toEqual([one.certificate, two.certificate])
    await clock.advance(400 * dayMs)
    expect(keeper.findFault()).toContain('expired')
    await keeper.stop()
  })

  it('that never comes ends with the program', async () => {
    const logger = { info: () => {}, warn: () => {} }
    const load = () => readCertificateFiles(folder)
    const keeper = createCertificateKeeper({ load, everyMs: 1, clock: createFakeClock(), logger })
    const first = keeper.start(() => {})
    await keeper.stop()
    expect(await first).toBeUndefined()
  })
})
