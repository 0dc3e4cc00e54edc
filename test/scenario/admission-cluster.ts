import { Agent, request } from 'undici'
import type { ConnectionSettings } from '../../src/kube/connection.ts'
import {
  configMaps,
  customResourceDefinitions,
  validatingWebhookConfigurations,
} from '../../src/kube/core-resources.ts'
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts'
import { hubConfiguration, operatorConfiguration } from '../../src/webhook/configuration.ts'
import { findFreePort } from '../../src/sandbox/kubernetes/free-port.ts'
import { Cluster } from './cluster.ts'
import { patience } from './engine.ts'
import { startWebhookProcess, type WebhookProcess } from './webhook-process.ts'

export const operatorNamespace = 'kmm-operator-system'
export const preflightDefinition = { name: 'preflightvalidations.kmm.sigs.x-k8s.io' }

/** What the API server answered, with the warnings that kubectl would print. */
export interface Answer {
  status: number
  body: Record<string, unknown> & { message?: string }
  warnings: string[]
}

/** What is done before anybody judges, and on which nodes. */
export interface AdmissionOptions {
  nodes?: Parameters<typeof Cluster.start>[0]
  before?: (cluster: AdmissionCluster) => Promise<void>
}

/** A cluster whose API server asks `kmm webhook`, everything enabled, about everything. */
export class AdmissionCluster {
  readonly cluster: Cluster
  /** Where metrics are served. */
  readonly metricsPort: number
  readonly #connection: ConnectionSettings
  readonly #agent: Agent
  #webhook: WebhookProcess | undefined

  private constructor(cluster: Cluster, metricsPort: number) {
    this.cluster = cluster
    this.metricsPort = metricsPort
    this.#connection = loadKubeconfig({ text: cluster.sandbox.kubeconfig })
    const { certificateAuthority: ca, clientCertificate } = this.#connection
    this.#agent = new Agent({
      connect: {
        ...(ca ? { ca } : {}),
        ...(clientCertificate ? { cert: clientCertificate.certificate, key: clientCertificate.key } : {}),
      },
    })
  }

  static async start({ nodes = { nodes: [] }, before }: AdmissionOptions = {}): Promise<AdmissionCluster> {
    const admission = new AdmissionCluster(await Cluster.start(nodes), await findFreePort())
    await before?.(admission)
    const { client, kubeconfigPath } = admission.cluster.sandbox
    const port = await findFreePort()
    const configuration = {
      webhookPort: port,
      healthProbeBindAddress: '127.0.0.1:0',
      metrics: { bindAddress: `127.0.0.1:${admission.metricsPort}` },
    }
    await client.create(configMaps, {
      metadata: { namespace: operatorNamespace, name: 'kmm-operator-manager-config' },
      data: { 'controller_config.yaml': JSON.stringify(configuration) },
    })
    await admission.#install(port)
    const flags = ['module', 'namespace', 'preflightvalidation', 'managedclustermodule'].map(
      (each) => `--enable-${each}`,
    )
    admission.#webhook = await startWebhookProcess(kubeconfigPath, flags)
    await admission.#untilTrusted()
    return admission
  }

  async send(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<Answer> {
    const { server, token } = this.#connection
    const answer = await request(`${server}${path}`, {
      method,
      dispatcher: this.#agent,
      headers: {
        'user-agent': 'kmm-test',
        'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const warnings = [answer.headers['warning'] ?? []].flat()
    return { status: answer.statusCode, body: (await answer.body.json()) as Answer['body'], warnings }
  }

  /** Waits until the API server knows whom to trust: what it asks, and converts by, comes to it by watches of its own. */
  async #untilTrusted(): Promise<void> {
    const preflight = {
      apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
      kind: 'PreflightValidation',
      metadata: { name: 'asks' },
      spec: { kernelVersion: '6.1.0' },
    }
    // Converted for the storage, and judged.
    const path = '/apis/kmm.sigs.x-k8s.io/v1beta1/preflightvalidations?dryRun=All'
    const deadline = Date.now() + 30_000 * patience
    for (;;) {
      const { status, body } = await this.send('POST', path, preflight)
      if (status === 201) return
      if (Date.now() > deadline) throw new Error(`the API server cannot ask the webhook: ${body.message}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** Ends everything; answers the exit code of the webhook. */
  async stop(): Promise<number | null | undefined> {
    const code = await this.#webhook?.stop()
    await this.#agent.destroy()
    await this.cluster.stop()
    return code
  }

  /** The API server asks at an address of this machine in place of a Service. */
  async #install(port: number): Promise<void> {
    const { client } = this.cluster.sandbox
    const url = (path: string): string => `https://127.0.0.1:${port}${path}`
    const webhooks = [...operatorConfiguration.webhooks, ...hubConfiguration.webhooks]
    await client.create(validatingWebhookConfigurations, {
      ...operatorConfiguration,
      webhooks: webhooks.map((each) => ({ ...each, clientConfig: { url: url(each.clientConfig.service.path) } })),
    })
    const clientConfig = { service: null, url: url('/convert') }
    const body = { spec: { conversion: { webhook: { clientConfig } } } }
    await client.patch(customResourceDefinitions, preflightDefinition, { type: 'merge', body })
  }
}
