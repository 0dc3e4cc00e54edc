import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { containsModulesLabel } from '../../src/api/labels.ts'
import { createAuthority } from '../../src/kube/certificate.ts'
import {
  configMaps,
  customResourceDefinitions,
  namespaces,
  secrets,
  validatingWebhookConfigurations,
} from '../../src/kube/core-resources.ts'
import type { ConnectionSettings } from '../../src/kube/connection.ts'
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts'
import { operatorConfiguration } from '../../src/webhook/configuration.ts'
import { Cluster } from './cluster.ts'
import { findFreePort, startWebhookProcess, type WebhookProcess } from './webhook-process.ts'

const operatorNamespace = 'kmm-operator-system'
const modulesPath = '/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/default/modules'
const preflightsPath = (version: string): string => `/apis/kmm.sigs.x-k8s.io/${version}/preflightvalidations`

const preflightDefinition = { name: 'preflightvalidations.kmm.sigs.x-k8s.io' }

let cluster: Cluster
let connection: ConnectionSettings
let agent: Agent
let webhook: WebhookProcess

/** What the API server answered, with the warnings that kubectl would print. */
interface Answer {
  status: number
  body: Record<string, unknown> & { message?: string }
  warnings: string[]
}

async function send(
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Answer> {
  const answer = await request(`${connection.server}${path}`, {
    method,
    dispatcher: agent,
    headers: {
      'user-agent': 'kmm-test',
      'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
      ...(connection.token === undefined ? {} : { authorization: `Bearer ${connection.token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const header = [answer.headers['warning'] ?? []].flat()
  return { status: answer.statusCode, body: (await answer.body.json()) as Answer['body'], warnings: header }
}

const text = (length: number): string => 'a'.repeat(length)

function makeModule(name: string, regexp: string, more: object = {}) {
  const mapping = { regexp, containerImage: 'registry.example/m:${KERNEL_FULL_VERSION}' }
  return {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'Module',
    metadata: { name, namespace: 'default' },
    spec: {
      selector: {},
      moduleLoader: { container: { modprobe: { moduleName: 'm' }, kernelMappings: [mapping], ...more } },
    },
  }
}

/** The name in the certificate that is served at a port to who trusts this authority. */
function readCommonName(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca }, () => {
      resolve([socket.getPeerCertificate().subject.CN].flat().join())
      socket.destroy()
    }).on('error', reject)
  })
}

/** The API server asks at an address of this machine in place of a Service. */
async function installWebhook(port: number): Promise<void> {
  const { client } = cluster.sandbox
  const url = (path: string): string => `https://127.0.0.1:${port}${path}`
  const { webhooks, ...rest } = operatorConfiguration
  await client.create(validatingWebhookConfigurations, {
    ...rest,
    webhooks: webhooks.map((each) => ({ ...each, clientConfig: { url: url(each.clientConfig.service.path) } })),
  })
  const clientConfig = { service: null, url: url('/convert') }
  const body = { spec: { conversion: { webhook: { clientConfig } } } }
  await client.patch(customResourceDefinitions, preflightDefinition, { type: 'merge', body })
}

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [] })
  const { client, kubeconfig, kubeconfigPath } = cluster.sandbox
  connection = loadKubeconfig({ text: kubeconfig })
  const { certificateAuthority: ca, clientCertificate } = connection
  agent = new Agent({
    connect: {
      ...(ca ? { ca } : {}),
      ...(clientCertificate ? { cert: clientCertificate.certificate, key: clientCertificate.key } : {}),
    },
  })
  const port = await findFreePort()
  await client.create(configMaps, {
    metadata: { namespace: operatorNamespace, name: 'kmm-operator-manager-config' },
    data: { 'controller_config.yaml': `webhookPort: ${port}\nhealthProbeBindAddress: "127.0.0.1:0"\n` },
  })
  // Before anybody judges.
  expect((await send('POST', modulesPath, makeModule('broken', '('))).status).toBe(201)
  await installWebhook(port)
  webhook = await startWebhookProcess(kubeconfigPath, [
    '--enable-module',
    '--enable-namespace',
    '--enable-preflightvalidation',
  ])
})

afterAll(async () => {
  const code = await webhook.stop()
  await agent.destroy()
  await cluster.stop()
  expect(code).toBe(0)
})

describe('the API server, asking kmm webhook,', () => {
  it('takes the annotated example of the documentation, with a warning for each of its oddities', async () => {
    const example: unknown = parse(readFileSync('src/api/testdata/module-example.yaml', 'utf8'))
    const { status, warnings } = await send('POST', modulesPath, example)
    expect(status).toBe(201)
    const words = ['inTreeModuleToRemove', 'kernelMappings[2].inTreeModuleToRemove', 'is a form feed']
    for (const each of words) expect(warnings.join('\n')).toContain(each)
  })

  it('refuses a Module with every problem and its path', async () => {
    const module = makeModule(text(60), '(', { version: '1', containerImage: 'registry.example/m' })
    const { status, body } = await send('POST', modulesPath, module)
    expect(status).toBe(403)
    expect(body.message).toMatch(/^admission webhook "vmodule\.kb\.io" denied the request: 3 problems:\n/)
    for (const path of ['metadata.name', 'container.containerImage', 'kernelMappings[0].regexp'])
      expect(body.message).toContain(path)
  })

  it('has room for 41 characters of namespace and name, and not for 42', async () => {
    const most = 41 - 'default'.length
    expect((await send('POST', modulesPath, makeModule(text(most), 'x'))).status).toBe(201)
    expect((await send('POST', modulesPath, makeModule(text(most + 1), 'x'))).status).toBe(403)
  })

  it('lets what was stored before lose its finalizers and go, but not change to something wrong', async () => {
    const path = `${modulesPath}/broken`
    expect((await send('PATCH', path, { metadata: { finalizers: ['example.com/x'] } })).status).toBe(200)
    expect((await send('PATCH', path, { spec: { selector: { a: 'b' } } })).status).toBe(403)
    expect((await send('DELETE', path)).status).toBe(200)
    expect((await send('PATCH', path, { metadata: { finalizers: null } })).status).toBe(200)
    expect((await send('GET', path)).status).toBe(404)
  })

  it('does not let a version come or go', async () => {
    expect((await send('POST', modulesPath, makeModule('v', 'x'))).status).toBe(201)
    const patch = { spec: { moduleLoader: { container: { version: '1' } } } }
    expect((await send('PATCH', `${modulesPath}/v`, patch)).body.message).toContain(
      'delete the Module and create it anew',
    )
  })

  it('refuses to delete a namespace that holds Modules', async () => {
    const { client } = cluster.sandbox
    for (const [name, labels] of [
      ['full', { [containsModulesLabel]: '' }],
      ['empty', {}],
    ] as const)
      await client.create(namespaces, { metadata: { name, labels } })
    const { status, body } = await send('DELETE', '/api/v1/namespaces/full')
    expect(status).toBe(403)
    expect(body.message).toContain('kubectl delete modules.kmm.sigs.x-k8s.io --all -n full')
    expect((await send('DELETE', '/api/v1/namespaces/empty')).status).toBe(200)
  })

  it('refuses a PreflightValidation for what is no kernel', async () => {
    const preflight = {
      apiVersion: 'kmm.sigs.x-k8s.io/v1beta2',
      kind: 'PreflightValidation',
      metadata: { name: 'p' },
      spec: { kernelVersion: '6.1' },
    }
    expect((await send('POST', preflightsPath('v1beta2'), preflight)).status).toBe(403)
    expect(
      (await send('POST', preflightsPath('v1beta2'), { ...preflight, spec: { kernelVersion: '6.1.0' } })).status,
    ).toBe(201)
  })

  it('knows whom to trust from the Secret of the certificates', async () => {
    const { client } = cluster.sandbox
    const secret = await client.get(secrets, { namespace: operatorNamespace, name: 'kmm-webhook-certificates' })
    const bundle = secret.data?.['ca.crt']
    const configuration = await client.get(validatingWebhookConfigurations, {
      name: operatorConfiguration.metadata.name,
    })
    expect(configuration.webhooks?.map(({ clientConfig }) => clientConfig.caBundle)).toEqual([bundle, bundle, bundle])
    const { spec } = await client.get(customResourceDefinitions, preflightDefinition)
    expect(spec.conversion?.webhook?.clientConfig?.caBundle).toBe(bundle)
    const certificate = new X509Certificate(Buffer.from(secret.data?.['tls.crt'] ?? '', 'base64'))
    expect(certificate.checkHost('kmm-operator-webhook-service.kmm-operator-system.svc')).toBeDefined()
  })

  it('serves a mounted certificate, and the next one without a restart', async () => {
    const { client, kubeconfigPath, folder } = cluster.sandbox
    await client.create(configMaps, {
      metadata: { namespace: operatorNamespace, name: 'any-port' },
      data: { 'controller_config.yaml': 'webhookPort: 0\nhealthProbeBindAddress: "127.0.0.1:0"\n' },
    })
    const authority = createAuthority('mounted', Date.now())
    const mount = async (commonName: string): Promise<void> => {
      const issued = authority.issue({ commonName, uses: ['server'], hosts: ['127.0.0.1'] })
      await writeFile(join(folder, 'tls.key'), issued.key)
      await writeFile(join(folder, 'tls.crt'), issued.certificate)
    }
    await mount('one')
    const flags = ['--config', 'any-port', '--cert-dir', folder, '--enable-managedclustermodule']
    const mounted = await startWebhookProcess(kubeconfigPath, flags)
    const line = mounted.log.find((each) => each.includes('"msg":"serving"')) ?? ''
    const { port } = JSON.parse(line) as { port: number }
    const ask = (): Promise<string> => readCommonName(port, authority.certificate)
    expect(await ask()).toBe('one')
    await mount('two')
    await expect.poll(ask, { timeout: 30_000, interval: 200 }).toBe('two')
    expect(await mounted.stop()).toBe(0)
  })

  it('converts PreflightValidations there and back', async () => {
    const result = {
      verificationStatus: 'Success',
      verificationStage: 'Done',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    }
    const older = {
      apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
      kind: 'PreflightValidation',
      metadata: { name: 'c' },
      spec: { kernelVersion: '6.1.0' },
    }
    const refused = await send('POST', preflightsPath('v1beta1'), { ...older, spec: { kernelVersion: '6' } })
    expect([refused.status, refused.body.message]).toEqual([403, expect.stringContaining('spec.kernelVersion')])
    expect((await send('POST', preflightsPath('v1beta1'), older)).status).toBe(201)
    const modules = [
      { ...result, namespace: 'b', name: 'm' },
      { ...result, namespace: 'a', name: 'm' },
    ]
    const statusPath = `${preflightsPath('v1beta2')}/c/status`
    expect((await send('PATCH', statusPath, { status: { modules } })).status).toBe(200)
    const read = await send('GET', `${preflightsPath('v1beta1')}/c`)
    expect(read.body['status']).toEqual({ crStatuses: { 'a/m': result, 'b/m': result } })
    expect(
      (await send('PUT', `${preflightsPath('v1beta1')}/c`, { ...read.body, spec: { kernelVersion: '6.2.0' } })).status,
    ).toBe(200)
    const { body } = await send('GET', `${preflightsPath('v1beta2')}/c`)
    expect(body).toMatchObject({ spec: { kernelVersion: '6.2.0' }, status: { modules } })
    expect(body['metadata']).not.toHaveProperty('annotations')
    const leftover = { status: { crStatuses: { 'a/m': result, m: result } } }
    expect((await send('PATCH', `${preflightsPath('v1beta1')}/c/status`, leftover)).status).toBe(200)
    expect((await send('GET', `${preflightsPath('v1beta1')}/c`)).body['status']).toMatchObject(leftover.status)
  })
})
