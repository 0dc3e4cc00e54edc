import { describe, expect, it } from 'vitest'
import { buildItem, buildModuleConfig } from '../../../test/builders/node-modules-config.ts'
import { buildContainer, hashKey, terminated, viewWorker } from '../../../test/builders/pod.ts'
import { loadIntent, otherImage, unloadIntent } from '../../../test/builders/work.ts'
import {
  workerConfigAnnotation,
  workerHashAnnotation,
  workerModuleVersionAnnotation,
  workerSparedAnnotation,
  workerTolerationsAnnotation,
} from '../../api/annotations.ts'
import { moduleNameLabel, moduleNamespaceLabel, workerActionLabel } from '../../api/labels.ts'
import type { NodeModuleItem } from '../../api/node-modules-config.ts'
import type { PodView } from '../cluster/pod-view.ts'
import { isBelieved, readWorker, type Worker } from './worker.ts'
import { formatWorkerConfig, workerCredentialsAnnotation, type WorkerIntent } from './worker-intent.ts'

/** Both ways of asking must agree. */
function read(pod: PodView, entries: NodeModuleItem[] = [], nodeUid = 'uid-n1'): Worker | undefined {
  const worker = readWorker(pod, hashKey, nodeUid, entries)
  expect(isBelieved(pod, hashKey, nodeUid, entries)).toBe(worker !== undefined)
  return worker
}

function annotate(pod: PodView, annotations: Record<string, string>): PodView {
  return { ...pod, annotations: { ...pod.annotations, ...annotations } }
}

const label = (pod: PodView, labels: Record<string, string>): PodView => ({
  ...pod,
  labels: { ...pod.labels, ...labels },
})

describe('a worker pod that the operator made', () => {
  const intent = loadIntent({
    serviceAccountName: 'loader',
    imageRepoSecret: { name: 'pull' },
    version: '2',
    config: buildModuleConfig({ modprobe: { moduleName: 'mod', dirName: '/opt', parameters: ['a: "b"', '#c'] } }),
  })

  it.each<[string, WorkerIntent]>([
    ['a load', intent],
    ['a load without tolerations and credentials', loadIntent({ tolerations: [] })],
    ['an unload', unloadIntent()],
    ['an unload that spares what others ask for', { ...unloadIntent(), sparedModules: ['base', 'other'] }],
    ["an unload in the operator's namespace", { ...unloadIntent(), podNamespace: 'kmm-operator-system' }],
  ])('is read back as it was meant: %s', (_title, each) => {
    expect(read(viewWorker(each))?.intent).toEqual(each)
  })

  it('is known by its pod, and by when that was created', () => {
    expect(read(viewWorker(intent, { deleting: true }))).toMatchObject({
      podNamespace: 'ns',
      podName: 'kmm-worker-n1-mod',
      uid: 'uid-pod',
      createdAtMs: Date.parse('2030-01-01T00:00:00Z'),
      deleting: true,
    })
  })

  it('is believed whatever admission added to its own fields', () => {
    const pod = viewWorker(intent, { serviceAccountName: 'default', firstPullSecret: 'of-the-account' })
    expect(read(pod)?.intent).toMatchObject({ serviceAccountName: 'loader', imageRepoSecret: 'pull' })
  })
})

describe('a pod that the operator did not make', () => {
  const pod = viewWorker(loadIntent(), {}, { settings: {} })
  const evil = formatWorkerConfig(buildModuleConfig({ containerImage: 'registry.test/evil' }))
  const rows: [string, PodView][] = [
    ['a hash of nobody', annotate(pod, { [workerHashAnnotation]: 'f'.repeat(64) })],
    ['no hash', annotate(pod, { [workerHashAnnotation]: '' })],
    ['another image', annotate(pod, { [workerConfigAnnotation]: evil })],
    [
      'other credentials',
      annotate(pod, { [workerCredentialsAnnotation]: '{"serviceAccountName":"x","podNamespace":"ns"}' }),
    ],
    ['other tolerations', annotate(pod, { [workerTolerationsAnnotation]: '' })],
    ['other modules to spare', annotate(pod, { [workerSparedAnnotation]: 'base\n' })],
    ['another version', annotate(pod, { [workerModuleVersionAnnotation]: '3' })],
    ['another action', label(pod, { [workerActionLabel]: 'Unload' })],
    ['no action', label(pod, { [workerActionLabel]: 'Reload' })],
    ['another Module', label(pod, { [moduleNameLabel]: 'two' })],
    ['a Module of another namespace', label(pod, { [moduleNamespaceLabel]: 'other' })],
    ['a copy in a foreign namespace', { ...pod, namespace: 'evil' }],
  ]
  it.each(rows)('is not believed: %s', (_title, each) => {
    expect(read(each, [buildItem()])).toBeUndefined()
  })

  it('is not believed where it was copied from another node', () => {
    expect(read(pod, [buildItem()], 'uid-of-another-node')).toBeUndefined()
  })

  const aliases = ['a: &a [x, x]', ...Array.from({ length: 20 }, (_each, index) => `b${index}: [*a, *a]`)].join('\n')
  it.each([
    ['no YAML', '{'],
    ['aliases without end', aliases],
    ['a text', 'text'],
    ['nothing', ''],
    ['a list', '[]'],
    ['no modprobe', 'containerImage: x\nkernelVersion: y'],
    ['a modprobe that is a text', 'containerImage: x\nkernelVersion: y\nmodprobe: z'],
    ['depth without end', '['.repeat(20_000)],
  ])('does no harm by its annotation: %s', (_title, text) => {
    const upstream = annotate(pod, { [workerConfigAnnotation]: text, [workerHashAnnotation]: '123' })
    expect(read(upstream, [buildItem()])).toBeUndefined()
  })
})

describe('a worker pod of the Go operator', () => {
  // As the Go operator writes it: keys in alphabetical order, zero values, no digest.
  const config =
    'containerImage: registry.test/mod:v1\nimagePullPolicy: ""\ninsecurePull: false\nkernelVersion: 6.1.0-1-amd64\nmodprobe:\n  dirName: /opt\n  moduleName: mod\n'
  const { [workerCredentialsAnnotation]: _none, ...ours } = viewWorker(loadIntent()).annotations
  const upstream: PodView = {
    ...viewWorker(loadIntent()),
    labels: { [moduleNameLabel]: 'mod', [workerActionLabel]: 'Load' },
    annotations: { ...ours, [workerConfigAnnotation]: config, [workerHashAnnotation]: '12345678901234567890' },
    serviceAccountName: 'loader',
    firstPullSecret: 'pull',
    container: buildContainer(terminated(0, '')),
  }

  it('is believed for an entry of the plan, without a report', () => {
    const entry = buildItem({ config: buildModuleConfig({ imageDigest: 'sha256:aa' }) })
    expect(read(upstream, [entry])).toMatchObject({
      intent: { serviceAccountName: 'loader', imageRepoSecret: 'pull', config: entry.config, podNamespace: 'ns' },
      state: { kind: 'succeeded' },
    })
  })

  const rows: [string, PodView, NodeModuleItem[]][] = [
    ['no entry', upstream, []],
    ['an entry of another Module', upstream, [buildItem({ name: 'two' })]],
    ['an entry of another image', upstream, [buildItem(otherImage)]],
    ['a foreign namespace', { ...label(upstream, { [moduleNamespaceLabel]: 'ns' }), namespace: 'evil' }, [buildItem()]],
    ['a hash that is no number', annotate(upstream, { [workerHashAnnotation]: '12x' }), [buildItem()]],
    ['a number that is too long', annotate(upstream, { [workerHashAnnotation]: '1'.repeat(21) }), [buildItem()]],
  ]
  it.each(rows)('is not believed with %s', (_title, pod, entries) => {
    expect(read(pod, entries)).toBeUndefined()
  })
})
