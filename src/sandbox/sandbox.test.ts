import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { nodes, pods } from '../kube/core-resources.ts'
import type { LayerEntry, PushedImage } from './registry/types.ts'
import { type Sandbox, type SandboxOptions, startSandbox } from './sandbox.ts'

const kernels = ['6.1.0-55-amd64', '6.1.0-56-amd64'] as const
const times = { restartBaseMs: 50, restartCapMs: 200, retryBaseMs: 20, retryCapMs: 50, phaseLagMs: 10 }

let sandbox: Sandbox
afterEach(async () => {
  await sandbox.stop()
  expect(existsSync(sandbox.folder)).toBe(false)
})

async function start(options: SandboxOptions): Promise<void> {
  sandbox = await startSandbox({ times, ...options })
}

function kmodEntries(release: string, folder = 'prebuilt'): LayerEntry[] {
  const from = join('examples/kmod', folder, release)
  return readdirSync(from).map((name) => ({
    name: `opt/lib/modules/${release}/${name}`,
    content: readFileSync(join(from, name)),
  }))
}

function pushKmod(release: string = kernels[1], folder?: string): Promise<PushedImage> {
  return sandbox.registry.push({
    repository: 'kmod',
    tag: release,
    layers: [{ entries: kmodEntries(release, folder) }],
  })
}

interface Wanted {
  action?: 'load' | 'unload'
  moduleName?: string
  kernelVersion?: string
  capabilities?: string[]
  parameters?: string[]
  /** Gives the worker the node's firmware folder. */
  firmware?: boolean
}

/** A worker pod in the shape in which the operator makes them. */
function workerPod(node: string, image: string, wanted: Wanted = {}): Pod {
  const { action = 'load', moduleName = 'kmm_demo', kernelVersion = kernels[1], parameters = [] } = wanted
  const firmware = wanted.firmware === true
  const config = {
    containerImage: image,
    imagePullPolicy: 'IfNotPresent',
    insecurePull: false,
    registryTLS: { insecure: true },
    kernelVersion,
    modprobe: { moduleName, dirName: '/opt', parameters },
  }
  const annotation = (key: string): { fieldPath: string } => ({ fieldPath: `metadata.annotations['${key}']` })
  const host = (name: string, path: string, type: string): object => ({ name, hostPath: { path, type } })
  return {
    metadata: {
      name: `kmm-worker-${node}-${moduleName.replaceAll('_', '-')}`,
      namespace: 'default',
      annotations: { 'kmm.node.kubernetes.io/worker-config': stringify(config) },
    },
    spec: {
      nodeName: node,
      restartPolicy: 'OnFailure',
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 2,
      tolerations: [{ operator: 'Exists' }],
      containers: [
        {
          name: 'worker',
          image: sandbox.workerImage,
          args: [
            'kmod',
            action,
            '/etc/kmm-worker/config.yaml',
            ...(firmware ? ['--firmware-path', '/lib/firmware'] : []),
          ],
          securityContext: firmware
            ? { privileged: true }
            : { runAsUser: 0, capabilities: { add: wanted.capabilities ?? ['SYS_MODULE'] } },
          volumeMounts: [
            { name: 'config', mountPath: '/etc/kmm-worker', readOnly: true },
            { name: 'modules', mountPath: '/lib/modules', readOnly: true },
            { name: 'modules', mountPath: '/host/lib/modules', readOnly: true },
            { name: 'tmp', mountPath: '/tmp' },
            { name: 'cache', mountPath: '/var/lib/kmm/cache' },
            ...(firmware ? [{ name: 'firmware', mountPath: '/lib/firmware' }] : []),
          ],
        },
      ],
      volumes: [
        {
          name: 'config',
          downwardAPI: {
            items: [
              { path: 'config.yaml', fieldRef: annotation('kmm.node.kubernetes.io/worker-config') },
              { path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } },
            ],
          },
        },
        { name: 'tmp', emptyDir: {} },
        host('modules', '/lib/modules', 'Directory'),
        host('cache', '/var/lib/kmm/cache', 'DirectoryOrCreate'),
        host('firmware', '/lib/firmware', 'DirectoryOrCreate'),
      ].map((volume) => ({ name: '', ...volume })),
    },
  }
}

interface Report {
  outcome: string
  reason: string
  alreadyLoaded?: boolean
  bootID: string
  message?: string
  modules?: { name: string; srcversion: string }[]
}

/** Runs worker pods at once and answers the report of the first end of each; the pods are deleted afterwards. */
async function runWorkers(wanted: readonly Pod[]): Promise<Report[]> {
  const { client } = sandbox
  const stop = new AbortController()
  const { resourceVersion } = await client.list(pods, { namespace: 'default' })
  await Promise.all(wanted.map((pod) => client.create(pods, pod)))
  const watch = client.watch(pods, { namespace: 'default', resourceVersion, signal: stop.signal })
  const messages = new Map<string, string>()
  let gone = 0
  for await (const event of watch) {
    if (event.type === 'BOOKMARK') continue
    const { name = '' } = event.object.metadata ?? {}
    if (event.type === 'DELETED') gone++
    if (gone === wanted.length) break
    const { terminated } = event.object.status?.containerStatuses?.[0]?.state ?? {}
    if (terminated === undefined || messages.has(name)) continue
    messages.set(name, terminated.message ?? '{}')
    await client.delete(pods, { namespace: 'default', name })
  }
  stop.abort()
  return wanted.map(({ metadata }) => JSON.parse(messages.get(metadata?.name ?? '') ?? '{}') as Report)
}

async function runWorker(pod: Pod): Promise<Report> {
  const [report] = await runWorkers([pod])
  return report!
}

describe('a sandbox with the real worker', () => {
  beforeEach(() => start({ nodes: kernels.map((kernel, index) => ({ name: `n${index + 1}`, kernel })) }))

  it('serves KMM’s resources and has its nodes ready and untainted', async () => {
    const { items } = await sandbox.client.list(nodes)
    expect(
      items.map((node) => [node.metadata?.name, node.status?.nodeInfo?.kernelVersion, node.spec?.taints ?? []]),
    ).toEqual([
      ['n1', kernels[0], []],
      ['n2', kernels[1], []],
    ])
    const groups = JSON.parse(await sandbox.client.getRaw('/apis')) as { groups: { name: string }[] }
    expect(groups.groups.map(({ name }) => name)).toContain('kmm.sigs.x-k8s.io')
    expect(readFileSync(sandbox.kubeconfigPath, 'utf8')).toBe(sandbox.kubeconfig)
  })

  it('loads a real module from an image in its registry, once, and unloads it', async () => {
    const { image } = await pushKmod()
    const node = sandbox.node('n2')!
    const loaded = await runWorker(workerPod('n2', image, { parameters: ['count=2'] }))
    expect(loaded).toMatchObject({ outcome: 'ok', reason: 'Loaded', bootID: node.kernel.bootId })
    expect(node.kernel.loadedModules()).toMatchObject([
      { name: 'kmm_demo', refcnt: 0, parameters: { count: '2' } },
      { name: 'kmm_demo_dep', refcnt: 1 },
    ])
    const again = await runWorker(workerPod('n2', image))
    expect(again).toMatchObject({ outcome: 'ok', alreadyLoaded: true })
    expect(node.kernel.insertions('kmm_demo')).toBe(1)
    node.kernel.setInUse('kmm_demo', 1)
    expect(await runWorker(workerPod('n2', image, { action: 'unload' }))).toMatchObject({
      outcome: 'failed',
      reason: 'ModuleInUse',
    })
    node.kernel.setInUse('kmm_demo', 0)
    expect(await runWorker(workerPod('n2', image, { action: 'unload' }))).toMatchObject({
      outcome: 'ok',
      reason: 'Unloaded',
    })
    expect(node.kernel.loadedModules()).toEqual([])
  })

  it('makes each failure the one that a real kernel or registry would have', async () => {
    const { image } = await pushKmod()
    const reasons: Record<string, string> = {}
    const tryOut = async (title: string, pod: Pod): Promise<void> => {
      reasons[title] = (await runWorker(pod)).reason
    }
    await tryOut('no image', workerPod('n2', `${sandbox.registry.address}/kmod:none`))
    await tryOut('no such module', workerPod('n2', image, { moduleName: 'other' }))
    await tryOut('no capability', workerPod('n2', image, { capabilities: [] }))
    await tryOut('bad parameter', workerPod('n2', image, { parameters: ['count=x'] }))
    await tryOut('no firmware', workerPod('n2', image, { moduleName: 'kmm_demo_fw', firmware: true }))
    sandbox.node('n2')!.kernel.setEnforce(true)
    await tryOut('unsigned', workerPod('n2', image))
    expect(reasons).toEqual({
      'no image': 'ImageNotFound',
      'no such module': 'ModuleNotInImage',
      'no capability': 'PermissionDenied',
      'bad parameter': 'InvalidParameter',
      'no firmware': 'FirmwareMissing',
      unsigned: 'SignatureRejected',
    })
  })

  it('answers kubectl’s logs from the worker’s output', async () => {
    const { image } = await pushKmod()
    const pod = workerPod('n2', image)
    const lift = sandbox.registry.fail({ kind: 'blob', action: { do: 'hang' } })
    await sandbox.client.create(pods, pod)
    await sandbox.registry.waitForRequest(({ kind }) => kind === 'blob')
    const { name = '' } = pod.metadata!
    const kubectl = promisify(execFile)('kubectl', ['--kubeconfig', sandbox.kubeconfigPath, 'logs', '-f', name])
    const followed = kubectl.then(
      ({ stdout }) => stdout,
      (error: NodeJS.ErrnoException) => error.code,
    )
    lift()
    const log = await followed
    // Where there is no kubectl, nothing is to be shown.
    if (log !== 'ENOENT') expect(log).toContain('modprobe')
  })
})

it('runs pods on 50 nodes at once, the worker of some as processes of which few run at a time', async () => {
  // A process costs a third of a second of processor time, so most nodes only behave.
  const message = JSON.stringify({ reason: 'Behaved' })
  await start({
    nodes: Array.from({ length: 50 }, (_, index) => ({ name: `n${index}`, kernel: kernels[1] })),
    rules: [{ match: { name: '^kmm-worker-n.*[1-9]-' }, behaviour: { do: 'succeed', message } }],
    workerSlots: 2,
  })
  const { image } = await pushKmod()
  const reports = await runWorkers(sandbox.nodes.map(({ name }) => workerPod(name, image)))
  const loaded = sandbox.nodes.filter(({ kernel }) => kernel.isLoaded('kmm_demo')).map(({ name }) => name)
  expect(loaded).toEqual(['n0', 'n10', 'n20', 'n30', 'n40'])
  expect(reports.map(({ reason }) => reason)).toEqual(
    sandbox.nodes.map(({ name }) => (loaded.includes(name) ? 'Loaded' : 'Behaved')),
  )
}, 60_000)

it('says what to do when its programs are not built', async () => {
  await start({})
  await expect(startSandbox({ workerProgram: 'dist/none.js' })).rejects.toThrow('run npm run build first')
})
