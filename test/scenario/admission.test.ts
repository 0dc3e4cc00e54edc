import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { request } from 'undici'
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
import { hubConfiguration, operatorConfiguration } from '../../src/webhook/configuration.ts'
import { AdmissionCluster, operatorNamespace, preflightDefinition } from './admission-cluster.ts'
import { startWebhookProcess } from './webhook-process.ts'

const modulesPath = '/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/default/modules'
const managedPath = '/apis/hub.kmm.sigs.x-k8s.io/v1beta1/managedclustermodules'

const ownSecret = 'kmm-operator-webhook-service-certificates'

let admission: AdmissionCluster

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

const mapTo = (regexp: string, containerImage = 'r/m:${KERNEL_FULL_VERSION}'): object => ({ regexp, containerImage })

/** A spec whose container is changed. */
const withContainer = (container: object): object => makeModule('m', 'x', container).spec

/** The name in the certificate that is served at a port to who trusts this authority. */
function readCommonName(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca }, () => {
      resolve([socket.getPeerCertificate().subject.CN].flat().join())
      socket.destroy()
    }).on('error', reject)
  })
}

beforeAll(async () => {
  admission = await AdmissionCluster.start({
    before: async (before) => {
      expect((await before.send('POST', modulesPath, makeModule('broken', '('))).status).toBe(201)
    },
  })
  const anyPort = 'webhookPort: 0\nhealthProbeBindAddress: "127.0.0.1:0"\nmetrics: { bindAddress: "0" }\n'
  await admission.cluster.sandbox.client.create(configMaps, {
    metadata: { namespace: operatorNamespace, name: 'any-port' },
    data: { 'controller_config.yaml': anyPort },
  })
})

afterAll(async () => {
  expect(await admission.stop()).toBe(0)
})

describe('the API server, asking kmm webhook,', () => {
  it('takes the annotated example of the documentation, with a warning for each of its oddities', async () => {
    const example: unknown = parse(readFileSync('src/api/testdata/module-example.yaml', 'utf8'))
    const { status, warnings } = await admission.send('POST', modulesPath, example)
    expect(status).toBe(201)
    const words = ['inTreeModuleToRemove', 'kernelMappings[2].inTreeModuleToRemove', 'is a form feed']
    for (const each of words) expect(warnings.join('\n')).toContain(each)
  })

  it('refuses a Module with every problem and its path', async () => {
    const module = makeModule(text(60), '(', { version: '1', containerImage: 'registry.example/m' })
    const { status, body } = await admission.send('POST', modulesPath, module)
    expect(status).toBe(403)
    expect(body.message).toMatch(/^admission webhook "vmodule\.kb\.io" denied the request: 3 problems:\n/)
    for (const path of ['metadata.name', 'container.containerImage', 'kernelMappings[0].regexp'])
      expect(body.message).toContain(path)
  })

  it.each<[rule: string, spec: object, path: string]>([
    ['2', { tolerations: [{ key: 'a b', operator: 'Exists' }] }, 'spec.tolerations[0].key'],
    ['3', { dra: { container: { image: 'd:1' }, driverName: 'GPU' } }, 'spec.dra.driverName'],
    [
      '4',
      { devicePlugin: { container: { image: 'p:1' }, volumes: [{ name: 'v', hostPath: { path: '/devious' } }] } },
      'spec.devicePlugin.volumes[0].hostPath.path',
    ],
    [
      '6',
      withContainer({ kernelMappings: [{ literal: 'a', containerImage: 'r/m' }] }),
      'kernelMappings[0].containerImage',
    ],
    [
      '6',
      withContainer({ kernelMappings: [{ literal: 'a', regexp: 'a', containerImage: 'r/m:1' }] }),
      'kernelMappings[0]',
    ],
    ['7', withContainer({ modprobe: { moduleName: 'm', modulesLoadingOrder: ['m'] } }), 'modprobe.modulesLoadingOrder'],
    ['7', withContainer({ modprobe: { moduleName: 'm', rawArgs: { load: ['m'] } } }), 'modprobe.rawArgs.load'],
    [
      '8',
      withContainer({ sign: { keySecret: { name: 'k' }, certSecret: { name: 'c' }, filesToSign: ['/option/m.ko'] } }),
      'sign.filesToSign[0]',
    ],
  ])('refuses what breaks rule %s', async (_rule, spec, path) => {
    const module = makeModule('wrong', 'x')
    const { status, body } = await admission.send('POST', modulesPath, { ...module, spec: { ...module.spec, ...spec } })
    expect([status, body.message]).toEqual([403, expect.stringContaining(`${path}: `)])
    const managed = {
      apiVersion: 'hub.kmm.sigs.x-k8s.io/v1beta1',
      kind: 'ManagedClusterModule',
      metadata: { name: 'wrong' },
      spec: { selector: {}, spokeNamespace: 'ns', moduleSpec: { ...module.spec, ...spec } },
    }
    const answer = await admission.send('POST', managedPath, managed)
    const wanted = `${path.replace(/^spec\./, 'spec.moduleSpec.')}: `
    expect([answer.status, answer.body.message]).toEqual([403, expect.stringContaining(wanted)])
  })

  it.each<[what: string, container: object, words: string]>([
    [
      'a pattern that leaves nothing to a later one',
      { kernelMappings: [mapTo('^.+$'), mapTo('el9')] },
      'is never used',
    ],
    ['one image for several kernels', { kernelMappings: [mapTo('el9', 'r/m:1')] }, 'several kernels share the image'],
    ['the tag latest', { kernelMappings: [{ literal: 'a', containerImage: 'r/m:latest' }] }, 'has the tag latest'],
    ['a version that is no label', { version: 'a b' }, 'cannot be the value'],
  ])('takes %s, with a warning', async (_what, container, words) => {
    const module = makeModule(`warned-${Math.random().toString(36).slice(2, 8)}`, 'x', container)
    const { status, warnings } = await admission.send('POST', modulesPath, module)
    expect([status, warnings.join('\n')]).toEqual([201, expect.stringContaining(words)])
  })

  it('judges a ManagedClusterModule as a Module of any name, that may not change its mind about versions', async () => {
    const { spec } = makeModule('m', 'x')
    const managed = {
      apiVersion: 'hub.kmm.sigs.x-k8s.io/v1beta1',
      kind: 'ManagedClusterModule',
      metadata: { name: text(63) },
      spec: { selector: {}, spokeNamespace: text(63), moduleSpec: spec },
    }
    expect((await admission.send('POST', managedPath, managed)).status).toBe(201)
    const path = `${managedPath}/${text(63)}`
    const version = { spec: { moduleSpec: { moduleLoader: { container: { version: '1' } } } } }
    expect((await admission.send('PATCH', path, version)).body.message).toContain(
      'delete the Module and create it anew',
    )
    expect((await admission.send('PATCH', path, { metadata: { labels: { a: 'b' } } })).status).toBe(200)
  })

  it('has room for 41 characters of namespace and name, and not for 42', async () => {
    const most = 41 - 'default'.length
    expect((await admission.send('POST', modulesPath, makeModule(text(most), 'x'))).status).toBe(201)
    expect((await admission.send('POST', modulesPath, makeModule(text(most + 1), 'x'))).status).toBe(403)
  })

  it('lets what was stored before lose its finalizers and go, but not change to something wrong', async () => {
    const path = `${modulesPath}/broken`
    expect((await admission.send('PATCH', path, { metadata: { finalizers: ['example.com/x'] } })).status).toBe(200)
    expect((await admission.send('PATCH', path, { spec: { selector: { a: 'b' } } })).status).toBe(403)
    expect((await admission.send('DELETE', path)).status).toBe(200)
    expect((await admission.send('PATCH', path, { metadata: { finalizers: null } })).status).toBe(200)
    expect((await admission.send('GET', path)).status).toBe(404)
  })

  it('does not let a version come or go', async () => {
    expect((await admission.send('POST', modulesPath, makeModule('v', 'x'))).status).toBe(201)
    const patch = { spec: { moduleLoader: { container: { version: '1' } } } }
    expect((await admission.send('PATCH', `${modulesPath}/v`, patch)).body.message).toContain(
      'delete the Module and create it anew',
    )
  })

  it('refuses to delete a namespace that holds Modules', async () => {
    const { client } = admission.cluster.sandbox
    for (const [name, labels] of [
      ['full', { [containsModulesLabel]: '' }],
      ['empty', {}],
    ] as const)
      await client.create(namespaces, { metadata: { name, labels } })
    const { status, body } = await admission.send('DELETE', '/api/v1/namespaces/full')
    expect(status).toBe(403)
    expect(body.message).toContain('kubectl delete modules.kmm.sigs.x-k8s.io --all -n full')
    expect((await admission.send('DELETE', '/api/v1/namespaces/empty')).status).toBe(200)
  })

  it('counts what it is asked, by kind and result', async () => {
    await admission.send('POST', modulesPath, makeModule('counted', '('))
    const { body } = await request(`http://127.0.0.1:${admission.metricsPort}/metrics`)
    const metrics = await body.text()
    expect(metrics).toMatch(/^kmm_webhook_reviews_total\{kind="Module",result="refused"\} [1-9]/m)
    expect(metrics).toMatch(/^controller_runtime_webhook_latency_seconds_count\{webhook="\/validate-kmm[^"]+"\} [1-9]/m)
  })

  it('knows whom to trust from the Secret of the certificates', async () => {
    const { client } = admission.cluster.sandbox
    const secret = await client.get(secrets, { namespace: operatorNamespace, name: ownSecret })
    const bundle = secret.data?.['ca.crt']
    const configuration = await client.get(validatingWebhookConfigurations, {
      name: operatorConfiguration.metadata.name,
    })
    expect(new Set(configuration.webhooks?.map(({ clientConfig }) => clientConfig.caBundle))).toEqual(new Set([bundle]))
    const { spec } = await client.get(customResourceDefinitions, preflightDefinition)
    expect(spec.conversion?.webhook?.clientConfig?.caBundle).toBe(bundle)
    const certificate = new X509Certificate(Buffer.from(secret.data?.['tls.crt'] ?? '', 'base64'))
    expect(certificate.checkHost('kmm-operator-webhook-service.kmm-operator-system.svc')).toBeDefined()
  })

  it('keeps its certificates to itself beside the webhook of a hub', async () => {
    const { client, kubeconfigPath } = admission.cluster.sandbox
    const read = (name: string) => client.get(secrets, { namespace: operatorNamespace, name })
    const before = await read(ownSecret)
    const service = 'kmm-operator-hub-webhook-service'
    const places = ['--service', service, '--webhook-configuration', hubConfiguration.metadata.name]
    const flags = ['--config', 'any-port', '--enable-managedclustermodule', ...places]
    const hub = await startWebhookProcess(kubeconfigPath, flags)
    try {
      expect(await read(ownSecret)).toEqual(before)
      const { data } = await read(`${service}-certificates`)
      const certificate = new X509Certificate(Buffer.from(data?.['tls.crt'] ?? '', 'base64'))
      expect(certificate.checkHost(`${service}.${operatorNamespace}.svc`)).toBeDefined()
    } finally {
      expect(await hub.stop()).toBe(0)
    }
  })

  it('serves a mounted certificate, and the next one without a restart', async () => {
    const { kubeconfigPath, folder } = admission.cluster.sandbox
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
})
