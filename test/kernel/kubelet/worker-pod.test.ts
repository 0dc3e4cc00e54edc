import type { ContainerStatus, Pod } from 'kubernetes-types/core/v1.js'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { parseWorkerReport } from '../../../src/api/worker-report.ts'
import { namespaces } from '../../../src/kube/core-resources.ts'
import { exampleLayer } from '../../conformance/kernel/images.ts'
import type { OperatorWish, TargetOperator } from '../../conformance/target.ts'
import { demoModule } from '../../scenario/cluster.ts'
import { moduleResource } from '../../scenario/view.ts'
import { KubeletCluster } from './kubelet-cluster.ts'
import type { KubeletNode } from './kubelet-node.ts'

let cluster: KubeletCluster
let node: KubeletNode
let operator: TargetOperator | undefined

beforeAll(async () => {
  cluster = await KubeletCluster.start()
  node = await cluster.openNode({ name: 'n1' })
})

afterEach(async () => {
  await operator?.stop()
  operator = undefined
})

afterAll(async () => {
  await cluster?.stop()
})

/** A namespace with a Module of one of the examples, and all that a kubelet said of its worker pods. */
class Case {
  readonly name: string
  readonly #key: { namespace: string; name: string }
  /** Every status of a worker's container, in the order in which they came. */
  readonly told: { pod: Pod; container: ContainerStatus }[] = []
  image = ''

  private constructor(name: string) {
    this.name = name
    this.#key = { namespace: name, name: 'demo' }
    cluster.view.pods.onChange(({ after }) => {
      const [container] = after?.status?.containerStatuses ?? []
      if (after?.metadata?.namespace === name && container) this.told.push({ pod: after, container })
    })
  }

  static async open(
    name: string,
    folder: 'prebuilt' | 'prebuilt-more',
    wish: Parameters<KubeletCluster['startOperator']>[0] = {},
  ): Promise<Case> {
    const opened = new Case(name)
    operator = await cluster.startOperator(wish satisfies OperatorWish)
    await cluster.client.create(namespaces, {
      metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } },
    })
    const layers = [await exampleLayer(folder, node.machine.release)]
    opened.image = (await cluster.registry.push({ repository: name, tag: '1', layers })).image
    return opened
  }

  async create(moduleName: string): Promise<void> {
    await cluster.client.create(
      moduleResource,
      demoModule(this.image, ({ metadata, spec }) => {
        metadata.namespace = this.name
        if (!spec?.moduleLoader) return
        spec.selector = { 'kubernetes.io/hostname': 'n1' }
        spec.moduleLoader.container.modprobe = { moduleName }
      }),
    )
  }

  async delete(): Promise<void> {
    await cluster.client.delete(moduleResource, this.#key)
  }

  get worker() {
    const config = cluster.view.configs.get({ name: 'n1' })
    return config?.status?.workers?.find(({ namespace }) => namespace === this.name)
  }

  async untilReady(): Promise<void> {
    const label = `kmm.node.kubernetes.io/${this.name}.demo.ready`
    await cluster.until(
      'the label',
      () => cluster.view.nodes.get({ name: 'n1' })?.metadata?.labels?.[label] === '',
      240_000,
    )
  }

  async untilGone(): Promise<void> {
    await cluster.until('the Module is gone', () => cluster.view.modules.get(this.#key) === undefined, 240_000)
  }

  /** Why containers waited, each reason once. */
  get waitingReasons(): string[] {
    const reasons = this.told.map(({ container }) => container.state?.waiting?.reason)
    return [...new Set(reasons.filter((reason) => reason !== undefined))]
  }
}

const isLoaded = async (name: string): Promise<boolean> =>
  (await node.loadedModules()).some((module) => module.name === name)

/** Reads a file of the only process in the machine that is a worker. */
async function readOfWorker(file: string): Promise<string> {
  const find =
    'for each in /proc/[0-9]*; do grep -q kubepods $each/cgroup && grep -q worker.mjs $each/cmdline && exec cat "$each/$0"; done'
  return node.machine.runChecked(['sh', '-c', find, file])
}

const field = (text: string, name: string): string =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${name}:`))
    ?.split(/\s+/)[1] ?? ''

test('a worker pod is confined to what its task needs, and its report comes in the termination message', async () => {
  const demo = await Case.open('confined', 'prebuilt')
  // So that it can be looked at while it runs: it waits for the image's layer.
  const lift = cluster.sandbox.registry.fail({ action: { do: 'hang' }, kind: 'blob', repository: 'confined' })
  await demo.create('kmm_demo')
  await cluster.until('a running worker', () => demo.told.some(({ container }) => container.state?.running), 240_000)

  const status = await readOfWorker('status')
  const onlySysModule = (1n << 16n).toString(16).padStart(16, '0')
  expect(
    Object.fromEntries(['Uid', 'CapEff', 'CapPrm', 'CapBnd', 'NoNewPrivs'].map((name) => [name, field(status, name)])),
  ).toEqual({
    Uid: '0',
    CapEff: onlySysModule,
    CapPrm: onlySysModule,
    CapBnd: onlySysModule,
    NoNewPrivs: '1',
  })
  const mounts = (await readOfWorker('mounts')).split('\n').map((line) => line.split(' '))
  const access = Object.fromEntries(mounts.map(([, target = '', , options = '']) => [target, options.split(',')[0]]))
  expect(access).toMatchObject({
    '/': 'ro',
    '/lib/modules': 'ro',
    '/host/lib/modules': 'ro',
    '/etc/kmm-worker': 'ro',
    '/tmp': 'rw',
    '/var/lib/kmm/cache': 'rw',
  })
  expect(Object.keys(access).filter((target) => target.includes('secrets'))).toEqual([])
  const namespaceFile = await readOfWorker('root/etc/kmm-worker/namespace')
  expect(namespaceFile).toBe('confined')
  expect(await readOfWorker('root/etc/kmm-worker/config.yaml')).toContain(demo.image)

  lift()
  await demo.untilReady()
  expect(await isLoaded('kmm_demo')).toBe(true)
  const findLast = () => demo.told.findLast(({ container }) => container.state?.terminated)
  await cluster.until('its end', findLast)
  const last = findLast()
  expect(last?.container.state?.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' })
  expect(parseWorkerReport(last?.container.state?.terminated?.message ?? '')).toMatchObject({
    action: 'load',
    outcome: 'ok',
    kernel: node.machine.release,
    bootID: await node.bootId(),
  })
  expect(cluster.view.nodes.get({ name: 'n1' })?.status?.nodeInfo?.bootID).toBe(await node.bootId())
  await demo.delete()
  await demo.untilGone()
  expect(await isLoaded('kmm_demo')).toBe(false)
})

test('a worker that cannot unload is started again by the kubelet, in the same pod, until the module is free', async () => {
  const demo = await Case.open('busy', 'prebuilt-more')
  await demo.create('kmm_demo_dev')
  await demo.untilReady()
  const free = await node.hold('kmm_demo_dev')
  await demo.delete()
  try {
    const restarts = (): number => Math.max(0, ...demo.told.map(({ container }) => container.restartCount))
    await cluster.until('two restarts', () => restarts() >= 2 && demo.worker?.reason === 'ModuleInUse', 240_000)
    const restarted = demo.told.filter(({ container }) => container.restartCount > 0)
    expect(new Set(restarted.map(({ pod }) => pod.metadata?.uid)).size).toBe(1)
    const ended = restarted.findLast(({ container }) => container.lastState?.terminated)?.container
    const { exitCode, message = '' } = ended?.lastState?.terminated ?? {}
    expect(exitCode).toBe(1)
    expect(parseWorkerReport(message)).toMatchObject({ action: 'unload', outcome: 'failed', reason: 'ModuleInUse' })
    expect(await isLoaded('kmm_demo_dev')).toBe(true)
  } finally {
    await free()
  }
  await demo.untilGone()
  expect(await isLoaded('kmm_demo_dev')).toBe(false)
})

test("the kubelet's words for a worker image that cannot be pulled are understood, and what helps is noticed", async () => {
  const workerImage = `${cluster.registry.address}/late-worker:1`
  const demo = await Case.open('pullless', 'prebuilt', { workerImage })
  await demo.create('kmm_demo_dep')
  const words = ['ErrImagePull', 'ImagePullBackOff']
  await cluster.until('both words', () => words.every((word) => demo.waitingReasons.includes(word)), 240_000)
  await cluster.until('the reason', () => demo.worker?.reason === 'WorkerImageUnavailable')
  expect(demo.worker?.message).toContain('late-worker:1')
  expect(await isLoaded('kmm_demo_dep')).toBe(false)
  await cluster.pushWorkerAs('late-worker:1')
  await demo.untilReady()
  expect(await isLoaded('kmm_demo_dep')).toBe(true)
  await demo.delete()
  await demo.untilGone()
})

test('with worker.imageSource: volume the kubelet mounts the image, and the worker asks no registry', async () => {
  const config = JSON.stringify({ worker: { imageSource: 'volume' } })
  const demo = await Case.open('mounted', 'prebuilt', { config })
  const askers = (): string[] => {
    const { requests } = cluster.sandbox.registry
    const own = requests.filter(({ repository, kind }) => repository === 'mounted' && kind === 'blob')
    return own.map(({ userAgent, method }) => `${method} ${userAgent.split('/')[0] ?? ''}`)
  }
  await demo.create('kmm_demo')
  await demo.untilReady()
  expect(await isLoaded('kmm_demo')).toBe(true)
  const volumes = demo.told.flatMap(({ pod }) => (pod.spec?.volumes ?? []).filter((volume) => 'image' in volume))
  expect(volumes.length).toBeGreaterThan(0)
  expect(askers()).toContain('GET containerd')
  expect(askers().filter((asker) => asker.includes('kmm-worker'))).toEqual([])
  await demo.delete()
  await demo.untilGone()
  expect(await isLoaded('kmm_demo')).toBe(false)
})
