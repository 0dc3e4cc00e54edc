import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Event as CoreEvent, Pod } from 'kubernetes-types/core/v1.js'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { configMaps, events, namespaces, nodes, pods, secrets } from '../../kube/core-resources.ts'
import { createKubeClient, type HttpKubeClient } from '../../kube/http-client.ts'
import { loadKubeconfig } from '../../kube/kubeconfig.ts'
import { type ApiServer, startApiServer } from '../apiserver/api-server.ts'
import type { Controller } from '../controllers/controller.ts'
import { startControllers } from '../controllers/controllers.ts'
import { PodRules } from './behaviour.ts'
import type { KubeletTimes } from './kubelet-settings.ts'
import { PodFeed } from './pod-feed.ts'
import { Slots } from './slots.ts'
import { type NodeOptions, VirtualNode } from './virtual-node.ts'

const workerImage = 'kmm-worker:sandbox'

let folder = ''
let api: ApiServer
let controllers: Controller
let client: HttpKubeClient
let feed: PodFeed
let rules: PodRules
let running: VirtualNode[] = []
const errors: unknown[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-node-'))
  api = await startApiServer({ tls: false })
  controllers = startControllers(api)
  client = createKubeClient({
    connection: loadKubeconfig({ text: api.kubeconfig }),
    userAgent: 'kmm-sandbox-node/test',
  })
  await client.create(namespaces, { metadata: { name: 'default' } }).catch(() => undefined)
  feed = new PodFeed(client)
  feed.start()
  rules = new PodRules()
  running = []
  errors.length = 0
})
afterEach(async () => {
  await Promise.all(running.map((node) => node.stop()))
  await feed.stop()
  await client.close()
  await controllers.stop()
  await api.stop()
  rmSync(folder, { recursive: true, force: true })
  expect(errors).toEqual([])
})

const defaultProgram = `
  import { writeFileSync, readFileSync } from 'node:fs'
  const at = (name) => process.argv[process.argv.indexOf(name) + 1]
  console.log('boot ' + at('--boot-id') + ' kernel ' + at('--kernel-release'))
  console.error('args ' + process.argv.slice(process.argv.indexOf('kmod')).join(' '))
  writeFileSync(at('--root') + '/dev/termination-log', readFileSync(at('--root') + '/etc/kmm-worker/config.yaml'))
`

async function startNode(
  options: Partial<NodeOptions> = {},
  program = defaultProgram,
  times: Partial<KubeletTimes> = {},
): Promise<VirtualNode> {
  const workerProgram = join(folder, `worker-${running.length}.mjs`)
  writeFileSync(workerProgram, program)
  const name = options.name ?? 'n1'
  const node = new VirtualNode(
    join(folder, name),
    { name, kernel: '6.1.0-56-amd64', ...options },
    {
      client,
      feed,
      rules,
      slots: new Slots(2),
      workerImage,
      builderImage: 'kmm-builder:sandbox',
      programs: { workerProgram, modprobePath: '/bin/false' },
      times: { restartBaseMs: 60, restartCapMs: 200, retryBaseMs: 20, retryCapMs: 40, phaseLagMs: 20, ...times },
      onError: (error) => errors.push(error),
    },
  )
  running.push(node)
  await node.start()
  return node
}

function workerPod(name: string, extra: Partial<NonNullable<Pod['spec']>> = {}): Pod {
  return {
    metadata: { name, namespace: 'default', annotations: { 'kmm/config': `config of ${name}` } },
    spec: {
      nodeName: 'n1',
      restartPolicy: 'OnFailure',
      tolerations: [{ operator: 'Exists' }],
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'worker',
          image: workerImage,
          args: ['kmod', 'load', '/etc/kmm-worker/config.yaml'],
          volumeMounts: [{ name: 'config', mountPath: '/etc/kmm-worker' }],
        },
      ],
      volumes: [
        {
          name: 'config',
          downwardAPI: {
            items: [{ path: 'config.yaml', fieldRef: { fieldPath: "metadata.annotations['kmm/config']" } }],
          },
        },
      ],
      ...extra,
    },
  }
}

const plainPod = (name: string): Pod => ({
  metadata: { name, namespace: 'default' },
  spec: {
    nodeName: 'n1',
    terminationGracePeriodSeconds: 1,
    containers: [{ name: 'main', image: 'registry/plugin:1' }],
  },
})

const get = (name: string): Promise<Pod> => client.get(pods, { namespace: 'default', name })

/** Follows a pod from what it was until it is as wanted, or gone; answers all that was seen. */
async function followFrom(first: Pod, done: (pod: Pod) => boolean = () => false): Promise<Pod[]> {
  const { name, resourceVersion = '' } = first.metadata ?? {}
  const seen = [first]
  if (done(first)) return seen
  const stop = new AbortController()
  for await (const event of client.watch(pods, { namespace: 'default', resourceVersion, signal: stop.signal })) {
    if (event.type === 'BOOKMARK' || event.object.metadata?.name !== name) continue
    seen.push(event.object)
    if (event.type === 'DELETED' || done(event.object)) break
  }
  stop.abort()
  return seen
}

/** Follows a pod that exists from now. */
const follow = async (name: string, done: (pod: Pod) => boolean): Promise<Pod[]> => followFrom(await get(name), done)

const phaseIs = (phase: string) => (pod: Pod) => pod.status?.phase === phase
const stateOf = (pod: Pod) => pod.status?.containerStatuses?.[0]?.state ?? {}
const isReady = (pod: Pod): boolean => pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'
const last = async (name: string, done: (pod: Pod) => boolean): Promise<Pod> => (await follow(name, done)).at(-1)!

/** Waits for the first event, which the kubelet records. */
async function firstEvent(): Promise<CoreEvent> {
  const stop = new AbortController()
  const { items, resourceVersion } = await client.list(events, { namespace: 'default' })
  if (items[0] !== undefined) return items[0]
  for await (const event of client.watch(events, { namespace: 'default', resourceVersion, signal: stop.signal }))
    if (event.type === 'ADDED') {
      stop.abort()
      return event.object
    }
  throw new Error('the watch ended without an event')
}

/** Waits until a pod's worker has printed something; answers the pod as it was when it began to run. */
async function untilPrinted(name: string): Promise<Pod> {
  const pod = await last(name, (each) => stateOf(each).running !== undefined)
  const { uid = '' } = pod.metadata!
  const whole = { follow: false, timestamps: false }
  while (!(await running[0]!.kubelet.readLog({ uid, container: 'worker', previous: false }, whole))) {
    // Asked again: reading the file gives the other processes their turn.
  }
  return pod
}

describe('a node in the API', () => {
  it('registers with its labels, kernel, boot ID and readiness', async () => {
    const node = await startNode({ labels: { zone: 'a' }, builtin: ['ext4'] })
    const object = await client.get(nodes, { name: 'n1' })
    expect(object.metadata?.labels).toMatchObject({
      'kubernetes.io/hostname': 'n1',
      'kubernetes.io/arch': 'amd64',
      zone: 'a',
    })
    expect(object.status?.nodeInfo).toMatchObject({
      kernelVersion: '6.1.0-56-amd64',
      bootID: node.kernel.bootId,
      architecture: 'amd64',
    })
    expect(object.status?.conditions).toMatchObject([{ type: 'Ready', status: 'True' }])
  })

  it('keeps the readiness since when, over heartbeats, and writes with its own user agent', async () => {
    const node = await startNode()
    await node.heartbeat()
    await node.setReady(false)
    await controllers.drained()
    const down = await client.get(nodes, { name: 'n1' })
    expect(down.status?.conditions).toMatchObject([{ type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown' }])
    expect(down.spec?.taints?.map(({ key, effect }) => `${key}:${effect}`).sort()).toEqual([
      'node.kubernetes.io/unreachable:NoExecute',
      'node.kubernetes.io/unreachable:NoSchedule',
    ])
    await node.setReady(true)
    await controllers.drained()
    const up = await client.get(nodes, { name: 'n1' })
    expect([up.status?.conditions?.[0]?.status, up.spec?.taints ?? []]).toEqual(['True', []])
    expect(new Set(api.writes.map(({ userAgent }) => userAgent.split('/')[0]))).toEqual(new Set(['kmm-sandbox-node']))
  })

  it('is cordoned and uncordoned with the taint, and deleted', async () => {
    const node = await startNode()
    await node.cordon()
    await controllers.drained()
    const cordoned = await client.get(nodes, { name: 'n1' })
    expect(cordoned.spec).toMatchObject({
      unschedulable: true,
      taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }],
    })
    await node.uncordon()
    await controllers.drained()
    expect((await client.get(nodes, { name: 'n1' })).spec?.taints ?? []).toEqual([])
    await node.delete()
    await expect(client.get(nodes, { name: 'n1' })).rejects.toMatchObject({ code: 'NotFound' })
  })
})

describe('a worker pod', () => {
  it('runs the program with the node’s facts and reports the end before the phase', async () => {
    const node = await startNode()
    const created = await client.create(pods, workerPod('w'))
    const seen = await followFrom(created, phaseIs('Succeeded'))
    const terminated = seen.findIndex((pod) => stateOf(pod).terminated !== undefined)
    expect(seen.map((pod) => pod.status?.phase)).toContain('Running')
    expect(seen[terminated]!.status?.phase).toBe('Running')
    expect(stateOf(seen[terminated]!).terminated).toMatchObject({
      exitCode: 0,
      reason: 'Completed',
      message: 'config of w',
    })
    const uid = seen[0]!.metadata!.uid!
    const log = (await node.kubelet.readLog(
      { uid, container: 'worker', previous: false },
      { follow: false, timestamps: false },
    )) as string
    expect(log.split('\n').sort()).toEqual([
      '',
      'args kmod load /etc/kmm-worker/config.yaml',
      `boot ${node.kernel.bootId} kernel 6.1.0-56-amd64`,
    ])
  })

  it('starts again after a failure, with back-off, and keeps the last end', async () => {
    await startNode({}, `console.log('no'); process.exit(3)`)
    const created = await client.create(pods, workerPod('w'))
    const seen = await followFrom(created, (pod) => (pod.status?.containerStatuses?.[0]?.restartCount ?? 0) === 2)
    const words = seen.map((pod) => {
      const { waiting, running: runs, terminated } = stateOf(pod)
      return waiting?.reason ?? (runs ? 'running' : terminated ? `exit ${terminated.exitCode}` : 'none')
    })
    const order = words.filter((word, index) => word !== words[index - 1])
    expect(order.slice(order.indexOf('running'))).toEqual([
      'running',
      'exit 3',
      'CrashLoopBackOff',
      'running',
      'exit 3',
      'CrashLoopBackOff',
      'running',
    ])
    const final = seen.at(-1)!.status!.containerStatuses![0]!
    expect(final.lastState?.terminated).toMatchObject({ exitCode: 3, reason: 'Error' })
    expect(seen.at(-1)!.status?.phase).toBe('Running')
  })

  it('runs what its volumes were set up for, though its rule is lifted in between', async () => {
    await startNode()
    let crashes = Number.POSITIVE_INFINITY
    vi.spyOn(rules, 'behaviourOf').mockImplementation(() => (crashes-- > 0 ? { do: 'crash' } : undefined))
    const created = await client.create(pods, workerPod('w'))
    await followFrom(created, (pod) => stateOf(pod).terminated !== undefined)
    // The next look, before the volumes, still finds the rule; the one after does not.
    crashes = 1
    const ended = await last('w', (pod) => stateOf(pod).terminated?.exitCode === 0)
    expect(stateOf(ended).terminated).toMatchObject({ message: 'config of w' })
  })

  it('tells of a container that cannot be started as of one that failed, and tries again', async () => {
    await startNode()
    const pod = workerPod('w')
    // Where a folder would have to be is a file.
    pod.spec!.containers[0]!.volumeMounts!.push({ name: 'config', mountPath: '/etc/kmm-worker/config.yaml/more' })
    const created = await client.create(pods, pod)
    const seen = await followFrom(created, ({ status }) => (status?.containerStatuses?.[0]?.restartCount ?? 0) === 1)
    const end = seen.at(-1)!.status!.containerStatuses![0]!.lastState?.terminated
    expect(end).toMatchObject({ exitCode: 128, message: expect.stringContaining('config.yaml') as string })
  })

  it('ends on deletion: SIGTERM, the end reported, the object gone', async () => {
    await startNode({}, `process.on('SIGTERM', () => process.exit(7)); console.log('up'); setInterval(() => {}, 1000)`)
    await client.create(pods, workerPod('w', { terminationGracePeriodSeconds: 60 }))
    const printed = await untilPrinted('w')
    await client.delete(pods, { namespace: 'default', name: 'w' })
    const seen = await followFrom(printed)
    const end = seen.map((pod) => stateOf(pod).terminated).find((state) => state !== undefined)
    expect(end).toMatchObject({ exitCode: 7 })
    await expect(get('w')).rejects.toMatchObject({ code: 'NotFound' })
  })

  it('is killed when it does not end in its grace period', async () => {
    await startNode({}, `process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)`)
    await client.create(pods, workerPod('w'))
    const printed = await untilPrinted('w')
    await client.delete(pods, { namespace: 'default', name: 'w' }, { gracePeriodSeconds: 1 })
    const seen = await followFrom(printed)
    expect(seen.map((pod) => stateOf(pod).terminated).find((state) => state !== undefined)).toMatchObject({
      exitCode: 137,
      signal: 9,
    })
  })

  it('waits for a secret that it needs, with an event, and goes on when the secret is there', async () => {
    await startNode()
    const pod = workerPod('w')
    pod.spec!.volumes!.push(
      { name: 'needed', secret: { secretName: 'pull' } },
      { name: 'spare', secret: { secretName: 'none', optional: true } },
    )
    pod.spec!.containers[0]!.volumeMounts!.push(
      { name: 'needed', mountPath: '/etc/kmm-worker/pull-secrets/0' },
      { name: 'spare', mountPath: '/etc/kmm-worker/pull-secrets/1' },
    )
    await client.create(pods, pod)
    const event = await firstEvent()
    expect(event).toMatchObject({
      reason: 'FailedMount',
      message: 'MountVolume.SetUp failed for volume "needed" : secret "pull" not found',
    })
    expect(stateOf(await get('w'))).toEqual({ waiting: { reason: 'ContainerCreating' } })
    const data = { '.dockerconfigjson': Buffer.from('{}').toString('base64') }
    await client.create(secrets, { metadata: { name: 'pull', namespace: 'default' }, data })
    const done = await last('w', phaseIs('Succeeded'))
    const root = join(folder, 'n1/pods', done.metadata!.uid!, 'rootfs/etc/kmm-worker')
    expect(readFileSync(join(root, 'pull-secrets/0/.dockerconfigjson'), 'utf8')).toBe('{}')
  })

  it('mounts host paths of the node and refuses one of the wrong type', async () => {
    const node = await startNode()
    mkdirSync(join(node.root, 'lib/modules/x'), { recursive: true })
    const pod = workerPod('w')
    pod.spec!.volumes!.push(
      { name: 'modules', hostPath: { path: '/lib/modules', type: 'Directory' } },
      { name: 'cache', hostPath: { path: '/var/lib/kmm/cache/../cache', type: 'DirectoryOrCreate' } },
      { name: 'missing', hostPath: { path: '/../../../etc/passwd', type: 'File' } },
    )
    pod.spec!.containers[0]!.volumeMounts!.push(
      { name: 'modules', mountPath: '/lib/modules' },
      { name: 'cache', mountPath: '/var/lib/kmm/cache' },
    )
    await client.create(pods, pod)
    expect((await firstEvent()).message).toContain('hostPath type check failed: /../../../etc/passwd is not a file')
    mkdirSync(join(node.root, 'etc'), { recursive: true })
    writeFileSync(join(node.root, 'etc/passwd'), '')
    const done = await last('w', phaseIs('Succeeded'))
    const root = join(node.root, 'pods', done.metadata!.uid!, 'rootfs')
    writeFileSync(join(root, 'var/lib/kmm/cache/blob'), 'kept')
    expect(readFileSync(join(node.root, 'var/lib/kmm/cache/blob'), 'utf8')).toBe('kept')
    expect(() => readFileSync(join(root, 'lib/modules/x'))).toThrow('EISDIR')
  })
})

describe('a reboot', () => {
  it('ends what runs without a word, clears the kernel and starts the pod again in the new boot', async () => {
    const node = await startNode(
      {},
      `
      const at = (name) => process.argv[process.argv.indexOf(name) + 1]
      if (at('--kernel-release') === '6.1.0-55-amd64') process.exit(0)
      setInterval(() => {}, 1000)`,
    )
    node.kernel.insertInTree('intree_a')
    const before = node.kernel.bootId
    await client.create(pods, workerPod('w'))
    await last('w', (pod) => stateOf(pod).running !== undefined)
    await node.reboot({ kernel: '6.1.0-55-amd64' })
    const done = await last('w', phaseIs('Succeeded'))
    expect(done.status!.containerStatuses![0]).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { exitCode: 255, reason: 'Unknown' } },
      state: { terminated: { exitCode: 0 } },
    })
    const info = (await client.get(nodes, { name: 'n1' })).status!.nodeInfo!
    expect([info.kernelVersion, info.bootID]).toEqual(['6.1.0-55-amd64', node.kernel.bootId])
    expect(node.kernel.bootId).not.toBe(before)
    expect(node.kernel.loadedModules()).toEqual([])
  })

  it('says of a pod that is over what it had no time to say before', async () => {
    const node = await startNode({}, undefined, { phaseLagMs: 60_000 })
    await client.create(pods, workerPod('w'))
    const ended = await last('w', (pod) => stateOf(pod).terminated !== undefined)
    expect(ended.status!.phase).toBe('Running')
    await node.reboot()
    const over = await last('w', phaseIs('Succeeded'))
    expect(over.status!.containerStatuses![0]).toMatchObject({ restartCount: 0, state: stateOf(ended) })
  })

  it('goes on from what the API server knows, though its own last words have not come back yet', async () => {
    const runs = join(folder, 'runs')
    const node = await startNode({}, `import { appendFileSync } from 'node:fs'; appendFileSync('${runs}', 'run\\n')`)
    await client.create(pods, workerPod('w'))
    const seen = await follow('w', phaseIs('Succeeded'))
    const stale = seen.find((pod) => stateOf(pod).running !== undefined)!
    await node.kubelet.down()
    node.kubelet.podChanged(stale)
    await node.kubelet.up(new AbortController().signal)
    await client.create(pods, workerPod('later'))
    await last('later', phaseIs('Succeeded'))
    expect(readFileSync(runs, 'utf8')).toBe('run\nrun\n')
    expect((await get('w')).status!.containerStatuses![0]!.restartCount).toBe(0)
  })

  it('leaves pods alone that had ended, and lets go of those deleted meanwhile', async () => {
    const node = await startNode()
    rules.add({ match: { name: '^runs$' }, behaviour: { do: 'ready' } })
    await client.create(pods, workerPod('w'))
    await client.create(pods, plainPod('runs'))
    await last('w', phaseIs('Succeeded'))
    const runs = await last('runs', isReady)
    const back = node.reboot({ downMs: 100 })
    await client.delete(pods, { namespace: 'default', name: 'runs' })
    await back
    await followFrom(runs)
    await expect(get('runs')).rejects.toMatchObject({ code: 'NotFound' })
    expect((await get('w')).status?.containerStatuses?.[0]?.restartCount).toBe(0)
  })
})

describe('pods that only behave', () => {
  it('are ready at once, or after a while, with their init containers passed', async () => {
    await startNode()
    rules.add({ match: { name: '^slow$' }, behaviour: { do: 'ready', afterMs: 30 } })
    const quick = plainPod('quick')
    quick.spec!.initContainers = [{ name: 'init', image: 'i' }]
    await client.create(pods, quick)
    await client.create(pods, plainPod('slow'))
    const ready = await last('quick', isReady)
    expect(ready.status!.initContainerStatuses![0]!.state!.terminated).toMatchObject({ exitCode: 0 })
    const seen = await follow('slow', isReady)
    expect(seen.at(-1)!.status!.containerStatuses![0]).toMatchObject({ ready: true, started: true })
  })

  it('cannot pull their image, back off, and recover when the rule is lifted', async () => {
    await startNode()
    const lift = rules.add({ match: { image: '^registry/plugin' }, behaviour: { do: 'imagePullError' } })
    const created = await client.create(pods, plainPod('p'))
    const seen = await followFrom(created, (pod) => stateOf(pod).waiting?.reason === 'ImagePullBackOff')
    expect(seen.map((pod) => stateOf(pod).waiting?.reason)).toContain('ErrImagePull')
    expect(seen.at(-1)!.status?.phase).toBe('Pending')
    lift()
    expect(isReady(await last('p', isReady))).toBe(true)
  })

  it('hang in ContainerCreating until the rule is lifted, and can be deleted meanwhile', async () => {
    await startNode()
    const lift = rules.add({ match: { labels: { app: 'stuck' } }, behaviour: { do: 'hang' } })
    const stuck: Pod[] = []
    for (const name of ['a', 'b']) {
      const pod = plainPod(name)
      pod.metadata!.labels = { app: 'stuck' }
      await client.create(pods, pod)
      stuck.push(await last(name, (each) => stateOf(each).waiting?.reason === 'ContainerCreating'))
    }
    await client.delete(pods, { namespace: 'default', name: 'a' })
    await followFrom(stuck[0]!)
    await expect(get('a')).rejects.toMatchObject({ code: 'NotFound' })
    lift()
    expect(isReady(await last('b', isReady))).toBe(true)
  })

  it('take their time to end, but no longer than their grace period', async () => {
    await startNode()
    rules.add({ match: { name: '^stubborn$' }, terminationMs: 60_000 })
    await client.create(pods, plainPod('stubborn'))
    const ready = await last('stubborn', isReady)
    await client.delete(pods, { namespace: 'default', name: 'stubborn' }, { gracePeriodSeconds: 1 })
    const seen = await followFrom(ready)
    expect(seen.filter(({ metadata }) => metadata?.deletionTimestamp !== undefined).length).toBeGreaterThan(1)
    expect(seen.map((pod) => stateOf(pod).terminated).find((state) => state !== undefined)).toMatchObject({
      exitCode: 137,
    })
  })

  it('have an empty log, and none before they run', async () => {
    const node = await startNode()
    const lift = rules.add({ match: { name: '^p$' }, behaviour: { do: 'hang' } })
    await client.create(pods, plainPod('p'))
    const { uid = '' } = (await last('p', (pod) => stateOf(pod).waiting !== undefined)).metadata!
    const read = (): Promise<unknown> =>
      node.kubelet.readLog({ uid, container: 'main', previous: false }, { follow: false, timestamps: false })
    expect(await read()).toBeUndefined()
    lift()
    await last('p', isReady)
    expect(await read()).toBe('')
  })

  it('crash with the message given, and become unready on demand', async () => {
    const node = await startNode()
    rules.add({ match: { image: workerImage }, behaviour: { do: 'crash', exitCode: 1, message: 'garbage' } })
    await client.create(pods, workerPod('w'))
    const crashed = await last('w', (pod) => stateOf(pod).terminated !== undefined)
    expect(stateOf(crashed).terminated).toMatchObject({ exitCode: 1, message: 'garbage' })
    await client.create(pods, plainPod('p'))
    await last('p', isReady)
    await node.kubelet.setPodReady('default', 'p', false)
    expect(isReady(await get('p'))).toBe(false)
  })

  it('wait for the ConfigMaps that they mount', async () => {
    await startNode()
    const pod = plainPod('p')
    pod.spec!.volumes = [{ name: 'c', configMap: { name: 'settings', items: [{ key: 'a', path: 'b' }] } }]
    await client.create(pods, pod)
    await last('p', (each) => stateOf(each).waiting !== undefined)
    await client.create(configMaps, { metadata: { name: 'settings', namespace: 'default' }, data: { a: '1' } })
    expect(isReady(await last('p', isReady))).toBe(true)
  })
})

it('reports what happened while the node could not reach the API server when it can again', async () => {
  const node = await startNode({}, `setTimeout(() => process.exit(0), 50)`)
  const created = await client.create(pods, workerPod('w'))
  await followFrom(created, (pod) => stateOf(pod).running !== undefined)
  await node.setReady(false)
  await client.create(pods, workerPod('later'))
  await node.setReady(true)
  await last('w', phaseIs('Succeeded'))
  await last('later', phaseIs('Succeeded'))
})

it('holds the pods of two nodes apart', async () => {
  await startNode()
  await startNode({ name: 'n2' })
  const other = workerPod('w2')
  other.spec!.nodeName = 'n2'
  for (const pod of [workerPod('w1'), other]) await client.create(pods, pod)
  await last('w1', phaseIs('Succeeded'))
  const { uid = '' } = (await last('w2', phaseIs('Succeeded'))).metadata!
  expect(readdirSync(join(folder, 'n2/pods'))).toEqual([uid])
})

it('says again that a pod is ready when the cluster has given the silent node’s pods up', async () => {
  await startNode()
  const kept = plainPod('kept')
  await client.create(pods, { ...kept, spec: { containers: [], ...kept.spec, tolerations: [{ operator: 'Exists' }] } })
  const key = { namespace: 'default', name: 'kept' }
  await last('kept', isReady)
  const conditions = [{ type: 'Ready', status: 'False' }]
  const node = running[0]
  await node?.setReady(false)
  await client.patch(pods, key, { type: 'merge', body: { status: { conditions } } }, { subresource: 'status' })
  expect(isReady(await get('kept'))).toBe(false)
  await node?.setReady(true)
  await last('kept', isReady)
})

describe('an API server that refuses what the kubelet writes', () => {
  const refuseOnce = (status: number): void => {
    const stop = api.onRequest(({ verb, plural, subresource }) => {
      if (verb !== 'patch' || plural !== 'pods' || subresource !== 'status') return undefined
      stop()
      return { kind: 'error', status }
    })
  }

  it('is asked again after a conflict, as long as the pod is the same', async () => {
    await startNode()
    refuseOnce(409)
    await client.create(pods, workerPod('w'))
    await last('w', phaseIs('Succeeded'))
  })

  it('is asked again when it knows no rights yet, which is told once', async () => {
    await startNode()
    refuseOnce(403)
    refuseOnce(401)
    await client.create(pods, workerPod('w'))
    await last('w', phaseIs('Succeeded'))
    expect(errors.splice(0)).toHaveLength(1)
  })
})
