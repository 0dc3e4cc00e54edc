import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PreflightValidation, PreflightValidationV1beta1 } from '../../src/api/preflight-validation.ts'
import { preflightValidations } from '../../src/api/resources.ts'
import { defineResource } from '../../src/kube/resource.ts'
import { createWatchCache } from '../../src/kube/watch-cache.ts'
import { findKubectl } from '../conformance/api/kubectl.ts'
import { AdmissionCluster } from './admission-cluster.ts'

const preflightsPath = (version: string): string => `/apis/kmm.sigs.x-k8s.io/${version}/preflightvalidations`

const result = {
  verificationStatus: 'Success',
  verificationStage: 'Done',
  lastTransitionTime: '2026-01-01T00:00:00Z',
}
const kubectl = findKubectl()

const make = (version: string, name: string, kernelVersion = '6.1.0') => ({
  apiVersion: `kmm.sigs.x-k8s.io/${version}`,
  kind: 'PreflightValidation',
  metadata: { name },
  spec: { kernelVersion },
})

let admission: AdmissionCluster
beforeAll(async () => {
  admission = await AdmissionCluster.start()
})
afterAll(async () => {
  expect(await admission.stop()).toBe(0)
})

/** Follows a version; the answer ends that. */
function follow<T extends PreflightValidation | PreflightValidationV1beta1>(version: string) {
  const { client } = admission.cluster.sandbox
  const resource = defineResource<T>({ ...preflightValidations, version })
  const cache = createWatchCache({ client, resource, trim: (object: T) => object, onError: () => undefined })
  cache.start()
  return cache
}

async function create(version: string, name: string): Promise<void> {
  expect((await admission.send('POST', preflightsPath(version), make(version, name))).status).toBe(201)
}

async function writeStatus(version: string, name: string, status: object): Promise<void> {
  expect((await admission.send('PATCH', `${preflightsPath(version)}/${name}/status`, { status })).status).toBe(200)
}

describe('PreflightValidations', () => {
  it.each(['v1beta1', 'v1beta2'])('are refused in %s for what is no kernel', async (version) => {
    const { status, body } = await admission.send('POST', preflightsPath(version), make(version, 'p', '6.1'))
    expect([status, body.message]).toEqual([403, expect.stringContaining('spec.kernelVersion')])
    expect((await admission.send('POST', preflightsPath(version), make(version, `p-${version}`))).status).toBe(201)
    const path = `${preflightsPath(version)}/p-${version}`
    expect((await admission.send('PATCH', path, { spec: { kernelVersion: '6' } })).status).toBe(403)
    expect((await admission.send('PATCH', path, { metadata: { labels: { a: 'b' } } })).status).toBe(200)
  })

  it('are converted there and back without loss', async () => {
    await create('v1beta1', 'c')
    const modules = [
      { ...result, namespace: 'b', name: 'm' },
      { ...result, namespace: 'a', name: 'm' },
    ]
    await writeStatus('v1beta2', 'c', { modules })
    const olderPath = `${preflightsPath('v1beta1')}/c`
    const read = await admission.send('GET', olderPath)
    expect(read.body['status']).toEqual({ crStatuses: { 'a/m': result, 'b/m': result } })
    const changed = { ...read.body, spec: { kernelVersion: '6.2.0' } }
    expect((await admission.send('PUT', olderPath, changed)).status).toBe(200)
    const { body } = await admission.send('GET', `${preflightsPath('v1beta2')}/c`)
    expect(body).toMatchObject({ spec: { kernelVersion: '6.2.0' }, status: { modules } })
    expect(body['metadata']).not.toHaveProperty('annotations')
    const leftover = { crStatuses: { 'a/m': result, m: result } }
    await writeStatus('v1beta1', 'c', leftover)
    expect((await admission.send('GET', olderPath)).body['status']).toMatchObject(leftover)
  })

  it('are listed and watched in both versions', async () => {
    const { cluster } = admission
    await create('v1beta1', 'listed-older')
    await create('v1beta2', 'listed-newer')
    const older = follow<PreflightValidationV1beta1>('v1beta1')
    const newer = follow<PreflightValidation>('v1beta2')
    try {
      await Promise.all([older.whenSynced(), newer.whenSynced()])
      await create('v1beta1', 'watched-older')
      await create('v1beta2', 'watched-newer')
      const names = ['listed-older', 'listed-newer', 'watched-older', 'watched-newer']
      const inBoth = (holds: (name: string) => boolean) => (): boolean => names.every(holds)
      await cluster.until(
        'all in both versions',
        inBoth((name) => older.get({ name }) !== undefined && newer.get({ name }) !== undefined),
      )
      for (const name of names)
        await writeStatus('v1beta2', name, { modules: [{ ...result, namespace: 'a', name: 'm' }] })
      const isOlder = (name: string): boolean =>
        older.get({ name })?.status?.crStatuses?.['a/m']?.verificationStage === 'Done'
      const isNewer = (name: string): boolean => newer.get({ name })?.status?.modules?.[0]?.namespace === 'a'
      await cluster.until(
        'the status in both versions',
        inBoth((name) => isOlder(name) && isNewer(name)),
      )
      expect((await admission.send('DELETE', `${preflightsPath('v1beta1')}/watched-newer`)).status).toBe(200)
      const key = { name: 'watched-newer' }
      await cluster.until('gone from both', () => older.get(key) === undefined && newer.get(key) === undefined)
    } finally {
      await Promise.all([older.stop(), newer.stop()])
    }
  })

  it.skipIf(kubectl === undefined)('are shown by kubectl in both versions', async () => {
    const { kubeconfigPath } = admission.cluster.sandbox
    expect((await admission.send('POST', preflightsPath('v1beta1'), make('v1beta1', 'shown'))).status).toBe(201)
    const run = async (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
      promisify(execFile)(kubectl ?? '', ['--kubeconfig', kubeconfigPath, ...args])
    const older = await run('get', 'preflightvalidations.v1beta1.kmm.sigs.x-k8s.io', 'shown', '-o', 'yaml')
    expect(older.stdout).toContain('apiVersion: kmm.sigs.x-k8s.io/v1beta1')
    expect(older.stderr).toContain('v1beta1 PreflightValidation is deprecated; use kmm.sigs.x-k8s.io/v1beta2')
    const newer = await run('get', 'pfv', 'shown', '-o', 'yaml')
    expect(newer.stdout).toContain('apiVersion: kmm.sigs.x-k8s.io/v1beta2')
    expect(newer.stderr).toBe('')
    for (const version of ['v1beta1', 'v1beta2'])
      expect((await run('get', `preflightvalidations.${version}.kmm.sigs.x-k8s.io`)).stdout).toMatch(/^shown\b/m)
  })
})
