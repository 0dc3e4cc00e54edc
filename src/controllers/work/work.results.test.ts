import { describe, expect, it } from 'vitest'
import { buildNode } from '../../../test/builders/node.ts'
import { buildItem, buildLoaded, buildModuleConfig } from '../../../test/builders/node-modules-config.ts'
import { buildReport } from '../../../test/builders/pod.ts'
import {
  buildReported,
  buildWorkerState,
  decideWork,
  findAction,
  loadedState,
  loadIntent,
  otherImage,
  typesOf,
  unloadedState,
  unloadIntent,
} from '../../../test/builders/work.ts'
import {
  getKernelModuleReadyNodeLabel,
  getKernelModuleVersionReadyNodeLabel,
  getModuleVersionLabelName,
} from '../../api/labels.ts'
import { decideLabels } from './labels.ts'

const ready = getKernelModuleReadyNodeLabel('ns', 'mod')
const versionReady = getKernelModuleVersionReadyNodeLabel('ns', 'mod')
const labelled = { labels: { role: 'worker', [ready]: '' } }
const loaded = buildWorkerState(loadIntent(), loadedState)
const unloaded = buildWorkerState(unloadIntent(), unloadedState)

describe('a load that succeeded', () => {
  it('is told in this order: status, label, event; its pod goes last, so that nothing is lost in a crash', () => {
    const { actions } = decideWork({ entry: buildItem(), workers: [loaded], reported: buildReported() })
    expect(typesOf(actions)).toEqual(['writeStatus', 'labelNode', 'recordEvent', 'deletePod'])
    expect(findAction(actions, 'writeStatus')).toMatchObject({ modules: [buildLoaded()], workers: [] })
    expect(findAction(actions, 'labelNode')).toEqual({
      type: 'labelNode',
      node: 'n1',
      labels: { [ready]: '' },
      bootId: 'boot-1',
    })
    expect(findAction(actions, 'recordEvent')).toMatchObject({ reason: 'ModuleLoaded', namespace: 'ns', name: 'mod' })
    expect(findAction(actions, 'deletePod')).toMatchObject({
      namespace: 'ns',
      name: 'kmm-worker-n1-mod',
      uid: 'uid-pod',
    })
  })

  it('is told again after a crash, save what was written', () => {
    const { actions } = decideWork({ entry: buildItem(), loaded: buildLoaded(), workers: [loaded], node: labelled })
    expect(typesOf(actions)).toEqual(['recordEvent', 'deletePod'])
  })

  it('is told no more while its pod is being deleted', () => {
    const worker = { ...loaded, deleting: true }
    const parts = { entry: buildItem(), loaded: buildLoaded(), workers: [worker], node: labelled }
    expect(decideWork(parts).actions).toEqual([])
  })

  it('is told where somebody else deletes its pod', () => {
    const { actions } = decideWork({ entry: buildItem(), workers: [{ ...loaded, deleting: true }] })
    expect(typesOf(actions)).toEqual(['writeStatus', 'labelNode', 'recordEvent'])
  })

  it('labels the node with the version that it loaded', () => {
    const worker = buildWorkerState(loadIntent({ version: '2' }), loadedState)
    const { actions } = decideWork({ entry: buildItem({ version: '2' }), workers: [worker] })
    expect(findAction(actions, 'labelNode').labels).toEqual({ [ready]: '', [versionReady]: '2' })
  })

  it('publishes no label for what is no longer wanted', () => {
    const { actions } = decideWork({ entry: buildItem(otherImage), workers: [loaded] })
    expect(typesOf(actions)).toEqual(['writeStatus', 'recordEvent', 'deletePod'])
  })

  it('counts for no more than a doubt when its report is of another boot', () => {
    const other = buildWorkerState(loadIntent(), { kind: 'succeeded', report: buildReport({ bootID: 'boot-0' }) })
    const { actions } = decideWork({ entry: buildItem(), workers: [other] })
    expect(typesOf(actions)).toEqual(['writeStatus', 'deletePod'])
    expect(findAction(actions, 'writeStatus').modules).toEqual([buildLoaded({ bootId: '' })])
  })

  it('is not forgotten when its report is of a boot that the Node does not say yet, and its Module goes', () => {
    const next = buildWorkerState(loadIntent(), { kind: 'succeeded', report: buildReport({ bootID: 'boot-2' }) })
    const { modules } = findAction(decideWork({ workers: [next] }).actions, 'writeStatus')
    expect(modules).toEqual([buildLoaded({ bootId: '' })])
    const after = decideWork({ ...(modules[0] ? { loaded: modules[0] } : {}), node: { bootId: 'boot-2' } })
    expect(findAction(after.actions, 'createPod').intent).toEqual(unloadIntent())
  })

  it('waits longer each time when its reports never are of the present boot', () => {
    const stale = buildWorkerState(loadIntent(), { kind: 'succeeded', report: buildReport({ bootID: '' }) })
    const again = {
      entry: buildItem(),
      workers: [stale],
      reported: buildReported({ reason: 'WorkerLost', attempt: 2 }),
    }
    expect(typesOf(decideWork(again, 59_000).actions)).toEqual(['writeStatus'])
    expect(typesOf(decideWork(again, 60_000).actions)).toEqual(['writeStatus', 'deletePod'])
  })

  it('of an upstream worker, which reports nothing, counts in the present boot', () => {
    const { actions } = decideWork({
      entry: buildItem(),
      workers: [buildWorkerState(loadIntent(), { kind: 'succeeded' })],
    })
    expect(findAction(actions, 'writeStatus').modules).toEqual([buildLoaded()])
    expect(findAction(actions, 'labelNode').labels).toEqual({ [ready]: '' })
  })
})

describe('an unload that succeeded', () => {
  it('is told once no label says otherwise', () => {
    const { actions } = decideWork({ loaded: buildLoaded(), workers: [unloaded], node: labelled })
    expect(typesOf(actions)).toEqual(['labelNode', 'writeStatus', 'recordEvent', 'deletePod'])
    expect(findAction(actions, 'writeStatus').modules).toEqual([])
    expect(findAction(actions, 'labelNode').labels).toEqual({ [ready]: null })
    expect(findAction(actions, 'recordEvent').reason).toBe('ModuleUnloaded')
  })

  it('is told no more while its pod is being deleted', () => {
    expect(decideWork({ workers: [{ ...unloaded, deleting: true }] }).actions).toEqual([])
  })
})

describe('the labels of a node', () => {
  it('are right, and nothing is written, when everything is loaded', () => {
    expect(decideWork({ entry: buildItem(), loaded: buildLoaded(), node: labelled })).toEqual({
      actions: [],
      waits: [],
    })
  })

  it('are right for what an upstream operator loaded in this boot', () => {
    const config = buildModuleConfig({
      inTreeModulesToRemove: [],
      modprobe: { moduleName: 'mod', dirName: '/opt', parameters: [] },
    })
    const { actions } = decideWork({ entry: buildItem(), loaded: buildLoaded({ config }), node: labelled })
    expect(actions).toEqual([])
  })

  it('lose what nothing stands behind, old names among it, and no other label', () => {
    const stale = {
      labels: {
        [getKernelModuleReadyNodeLabel('ns', 'gone')]: '',
        [getKernelModuleVersionReadyNodeLabel('ns', 'gone')]: '1',
        'kmm.node.kubernetes.io/old.ready': '',
        'kmm.node.kubernetes.io/ns.gone.device-plugin-ready': '',
        'example.test/ns.gone.ready': '',
      },
    }
    expect(findAction(decideWork({ node: stale }).actions, 'labelNode').labels).toEqual({
      'kmm.node.kubernetes.io/ns.gone.ready': null,
      'kmm.node.kubernetes.io/ns.gone.version.ready': null,
      'kmm.node.kubernetes.io/old.ready': null,
    })
  })
})

describe('the label of the version', () => {
  const present = buildLoaded({ version: '1' })

  it('follows the version that is loaded, without another load where only the version changed', () => {
    const node = { labels: { [ready]: '', [versionReady]: '1' } }
    const { actions } = decideWork({ entry: buildItem({ version: '2' }), loaded: present, node })
    expect(typesOf(actions)).toEqual(['writeStatus', 'labelNode'])
    expect(findAction(actions, 'writeStatus').modules[0]?.version).toBe('2')
    expect(findAction(actions, 'labelNode').labels).toEqual({ [versionReady]: '2' })
  })

  it('goes with the version, and with the module', () => {
    const node = { labels: { [ready]: '', [versionReady]: '1' } }
    const unversioned = decideWork({ entry: buildItem(), loaded: present, node })
    expect(findAction(unversioned.actions, 'labelNode').labels).toEqual({ [versionReady]: null })
    const released = decideWork({ loaded: present, node })
    expect(findAction(released.actions, 'labelNode').labels).toEqual({ [ready]: null, [versionReady]: null })
  })

  it('gives way to the ready label of a Module that is called x.version', () => {
    const named = { namespace: 'ns', name: 'mod.version' }
    const node = buildNode({ labels: {} })
    const decided = [{ namespace: 'ns', name: 'mod' }, named].map((module) => ({
      module: { ...module, workers: [], pluginPods: 0, namespaceTerminating: false },
      decision: { ready: true, loaded: { ...present, ...module } },
    }))
    for (const each of [decided, decided.toReversed()])
      expect(decideLabels(node, each).publish).toMatchObject([
        { labels: { [ready]: '', [versionReady]: '', 'kmm.node.kubernetes.io/ns.mod.version.version.ready': '1' } },
      ])
  })

  it('by which an administrator asks for a version is never taken for a ready label', () => {
    const labels = {
      [getModuleVersionLabelName('ns', 'mod.ready')]: '1',
      [getModuleVersionLabelName('ns', 'ready')]: '1',
    }
    expect(decideWork({ node: { labels } }).actions).toEqual([])
  })
})

describe('labels of which one goes and one comes', () => {
  it('are withdrawn before anything is told, and published after', () => {
    const gone = getKernelModuleReadyNodeLabel('ns', 'gone')
    const { actions } = decideWork({ entry: buildItem(), workers: [loaded], node: { labels: { [gone]: '' } } })
    expect(typesOf(actions)).toEqual(['labelNode', 'writeStatus', 'labelNode', 'recordEvent', 'deletePod'])
    const patches = actions.flatMap((action) => (action.type === 'labelNode' ? [action.labels] : []))
    expect(patches).toEqual([{ [gone]: null }, { [ready]: '' }])
  })
})

describe('what only concerns how an image is fetched', () => {
  const changed = buildItem({
    serviceAccountName: 'loader',
    imageRepoSecret: { name: 'new' },
    config: buildModuleConfig({ imagePullPolicy: 'Always', insecurePull: true, imageDigest: 'sha256:new' }),
  })

  it('is taken over for the unload to come, without a worker', () => {
    const present = buildLoaded({ config: buildModuleConfig({ imageDigest: 'sha256:old' }) })
    const { actions } = decideWork({ entry: changed, loaded: present, node: labelled })
    expect(typesOf(actions)).toEqual(['writeStatus'])
    expect(findAction(actions, 'writeStatus').modules).toEqual([
      { ...changed, bootId: 'boot-1', config: { ...changed.config, imageDigest: 'sha256:old' } },
    ])
  })

  it('writes nothing for a digest that is for the next load', () => {
    const entry = buildItem({ config: buildModuleConfig({ imageDigest: 'sha256:new' }) })
    expect(decideWork({ entry, loaded: buildLoaded(), node: labelled }).actions).toEqual([])
  })
})
