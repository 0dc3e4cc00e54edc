import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { describeError, KmmError } from '../../errors/error.ts'
import { realClock, sleep } from '../../kube/clock.ts'
import { createKubeClient } from '../../kube/http-client.ts'
import { loadKubeconfig } from '../../kube/kubeconfig.ts'
import type { Certificate } from '../../kube/certificate.ts'
import type { WriteRecord } from '../apiserver/faults.ts'
import type { User } from '../apiserver/hooks.ts'
import { adminUser, makeKubeconfig, nodeUser } from '../apiserver/identity.ts'
import { StopList } from '../stop-list.ts'
import { AuditLog, auditPolicy } from './audit-log.ts'
import type { Command, KubernetesBinaries } from './binaries.ts'
import { type CredentialFiles, type Credentials, issueClientCertificate, makeCredentials } from './credentials.ts'
import { startEgressProxy } from './egress-proxy.ts'
import { findFreePort } from './free-port.ts'
import { apiServerFlags, controllerManagerFlags, etcdFlags, type Layout, schedulerFlags } from './flags.ts'
import { ServerProcess } from './server-process.ts'
import { Warden } from './warden.ts'

/** How a control plane is started. */
export interface ControlPlaneOptions {
  binaries: KubernetesBinaries
  /** An empty folder, or one to be made, for everything that it keeps; removed when it stops. */
  folder: string
  /** How long a node may be silent before the node lifecycle controller finds it not ready; default 6 s. */
  nodeGraceMs?: number
  /**
   * Puts things into the cluster before its controllers start. They learn of later kinds half a minute late only, and until
   * then no object of these is garbage-collected.
   */
  prepare?: (kubeconfig: string) => Promise<void>
  signal?: AbortSignal
}

/** What a kubelet needs besides its configuration, all PEM but the kubeconfig. */
export interface KubeletCredentials {
  kubeconfig: string
  /** For its own server, by the node's name and at every address that it may have here. */
  serving: Certificate
  /** The authority of the API server's client certificate. */
  clientAuthority: string
}

/** A real etcd, API server, controller manager and scheduler on this machine's loopback. */
export interface ControlPlane {
  /** `v1.36.2`. */
  readonly version: string
  readonly url: string
  readonly port: number
  /** The administrator's. */
  readonly kubeconfig: string
  readonly credentials: Credentials
  /** How long a node may be silent. */
  readonly nodeGraceMs: number
  /** Every write that was served so far, in order. */
  readonly writes: readonly WriteRecord[]
  /** Where the servers' logs are. */
  readonly logFolder: string
  /** Rejects with the last words of a server that ended by itself. */
  readonly failed: Promise<never>
  /** `host` is where the client finds this machine's loopback: 10.0.2.2 in a guest of QEMU. */
  kubeconfigFor(user: User, host?: string): string
  kubeletCredentials(nodeName: string, host?: string): KubeletCredentials
  stop(): Promise<void>
}

const startTimeoutMs = 60_000
const pollMs = 50
const defaultNodeGraceMs = 6_000

const egressConfiguration = (url: string, { authority, kubeletClient, kubeletClientKey }: CredentialFiles): object => {
  const tlsConfig = { caBundle: authority, clientCert: kubeletClient, clientKey: kubeletClientKey }
  const connection = { proxyProtocol: 'HTTPConnect', transport: { tcp: { url, tlsConfig } } }
  const apiVersion = 'apiserver.k8s.io/v1beta1'
  return { apiVersion, kind: 'EgressSelectorConfiguration', egressSelections: [{ name: 'cluster', connection }] }
}

class Start {
  readonly #options: ControlPlaneOptions
  readonly #stops: StopList
  readonly #warden: Warden
  readonly failures: Promise<never>[] = []

  constructor(options: ControlPlaneOptions, stops: StopList) {
    this.#options = options
    this.#stops = stops
    this.#warden = stops.add(new Warden(options.folder), (each) => each.leave())
  }

  run(command: Command, argv: readonly string[]): void {
    const { binaries, folder } = this.#options
    const logFile = join(folder, 'logs', `${command}.log`)
    const server = new ServerProcess({ program: binaries.paths[command], argv, logFile, warden: this.#warden })
    this.#stops.add(server, (each) => each.stop())
    this.failures.push(server.failed)
  }

  async write(name: string, text: string): Promise<string> {
    const path = join(this.#options.folder, name)
    await writeFile(path, text, { mode: 0o600 })
    return path
  }

  async layOut({ authority, files }: Credentials): Promise<Layout> {
    const { folder, nodeGraceMs = defaultNodeGraceMs } = this.#options
    await mkdir(join(folder, 'logs'), { recursive: true })
    const proxy = this.#stops.add(await startEgressProxy(authority), (each) => each.stop())
    return {
      dataFolder: join(folder, 'etcd'),
      etcdPort: await findFreePort(),
      port: await findFreePort(),
      files,
      auditPolicy: await this.write('audit-policy.yaml', stringify(auditPolicy)),
      auditLog: join(folder, 'audit.log'),
      egress: await this.write('egress.yaml', stringify(egressConfiguration(proxy.url, files))),
      nodeGraceMs,
    }
  }
}

/** Waits until the API server says that it is ready. */
async function awaitReady(kubeconfig: string, failed: Promise<never>, signal?: AbortSignal): Promise<void> {
  const connection = loadKubeconfig({ text: kubeconfig })
  const client = createKubeClient({ connection, userAgent: 'kmm-sandbox/1' })
  const deadline = Date.now() + startTimeoutMs
  let last: unknown
  const poll = async (): Promise<void> => {
    while (!signal?.aborted) {
      const ready = await client.getRaw('/readyz').catch((error: unknown) => {
        last = error
      })
      if (ready !== undefined) return
      if (Date.now() > deadline)
        throw new KmmError(`kube-apiserver is not ready after 60 s: ${describeError(last)}`, { code: 'TimedOut' })
      await sleep(realClock, pollMs, signal)
    }
    throw new KmmError('the start was interrupted', { code: 'Aborted', fate: 'wait' })
  }
  try {
    await Promise.race([poll(), failed])
  } finally {
    await client.close()
  }
}

async function begin(options: ControlPlaneOptions, stops: StopList): Promise<ControlPlane> {
  const { binaries, folder, signal } = options
  const start = new Start(options, stops)
  const credentials = await makeCredentials(join(folder, 'pki'))
  const layout = await start.layOut(credentials)
  const { port, nodeGraceMs } = layout
  const { authority } = credentials
  const kubeconfigFor = (user: User, host = '127.0.0.1'): string => {
    const endpoint = { url: `https://${host}:${port}`, certificate: authority.certificate }
    return makeKubeconfig(endpoint, user.name, issueClientCertificate(authority, user))
  }
  start.run('etcd', etcdFlags(layout))
  start.run('kube-apiserver', apiServerFlags(layout))
  const kubeconfig = kubeconfigFor(adminUser)
  const serverFailed = Promise.race(start.failures)
  await awaitReady(kubeconfig, serverFailed, signal)
  await Promise.race([options.prepare?.(kubeconfig), serverFailed])
  for (const [command, makeFlags] of [
    ['kube-controller-manager', (path: string) => controllerManagerFlags(layout, path)],
    ['kube-scheduler', schedulerFlags],
  ] as const) {
    const own = kubeconfigFor({ name: `system:${command}`, groups: [] })
    start.run(command, makeFlags(await start.write(`${command}.kubeconfig`, own)))
  }
  const failed = Promise.race(start.failures)
  failed.catch(() => undefined)
  const audit = new AuditLog(layout.auditLog)
  return {
    version: binaries.version,
    url: `https://127.0.0.1:${port}`,
    port,
    kubeconfig,
    credentials,
    nodeGraceMs,
    get writes() {
      return audit.records
    },
    logFolder: join(folder, 'logs'),
    failed,
    kubeconfigFor,
    kubeletCredentials: (nodeName, host = '10.0.2.2') => ({
      kubeconfig: kubeconfigFor(nodeUser(nodeName), host),
      serving: authority.issue({
        commonName: `system:node:${nodeName}`,
        organizations: ['system:nodes'],
        uses: ['server'],
        hosts: [nodeName, '127.0.0.1', 'localhost', '10.0.2.15'],
      }),
      clientAuthority: authority.certificate,
    }),
    stop: () => stops.stop(),
  }
}

/** Starts a control plane. Fails with the last words of the server that would not start, and leaves nothing behind then. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const stops = new StopList()
  await mkdir(options.folder, { recursive: true, mode: 0o700 })
  stops.add(options.folder, (path) => rm(path, { recursive: true, force: true, maxRetries: 5 }))
  try {
    return await begin(options, stops)
  } catch (error) {
    await stops.stop()
    throw error
  }
}
