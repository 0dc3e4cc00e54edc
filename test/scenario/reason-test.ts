import { expect, it } from 'vitest'
import { type Reason, type ReportReason, reportReasons } from '../../src/errors/reason.ts'
import { isMakingReason, makingFailures } from '../../src/controllers/cluster/image-standing.ts'
import type { Cluster } from './cluster.ts'
import { Scene, type SceneOptions } from './scene.ts'

/** Reasons that a worker never fails with. */
const isSuccess = (reason: Reason): boolean => reason === 'Loaded' || reason === 'Unloaded'

const isOfReport = (reason: Reason): reason is ReportReason => reportReasons.some((each) => each === reason)

/** Reasons of the operator about a worker: they stand on the node's NodeModulesConfig, too. */
const aboutWorkers: ReadonlySet<Reason> = new Set([
  'DevicePluginStillRunning',
  'WorkerPodRefused',
  'WorkerPodPending',
  'WorkerImageUnavailable',
  'ImageVolumeUnsupported',
  'WorkerLost',
] as const)

/** Why a decision not to act yet is taken before there is a status. */
const logged: ReadonlySet<Reason> = new Set(['FinalizerMissing'] as const)

/** Reasons for which an image is not there although KMM makes it: they stand on the Module's condition ImagesReady. */
const isAboutMaking = (reason: Reason): boolean =>
  isMakingReason(reason) || makingFailures.some((each) => each === reason && each !== 'MappingInvalid')

function expectSeen(scene: Scene, reason: Reason): void {
  if (logged.has(reason)) {
    expect(scene.cluster.log.join('\n')).toContain(`"key":"${scene.name}","reason":"${reason}"`)
    return
  }
  // There is no Module on which it could stand.
  if (reason === 'ModuleVanished') return expect(scene.seen.node).toContain(reason)
  // An image that stays as it is keeps nothing from being loaded: it is remarked on where images are told of.
  if (reason === 'ImageInputsDiffer') return expect(scene.seen.imagesStatus).toContain(reason)
  if (isAboutMaking(reason)) return expect(scene.seen.images).toContain(reason)
  if (isOfReport(reason)) expect(scene.seen.report).toContain(reason)
  if (reason !== 'Unloaded') expect(scene.seen.module).toContain(reason)
  if ((isOfReport(reason) && !isSuccess(reason)) || aboutWorkers.has(reason)) expect(scene.seen.node).toContain(reason)
}

/**
 * Defines a test that ends in a reason and recovers from it. That the reason was told where it belongs is checked here;
 * scripts/reasons.test.ts sees to it that each reason has such a test.
 */
export type DefineReasonTest = (
  reason: Reason,
  title: string,
  play: (scene: Scene) => Promise<void>,
  options?: SceneOptions,
) => void

/** Workers are not what is looked at: theirs end well at once. */
export const workersEndWell = [{ match: { image: '^kmm-worker:' }, behaviour: { do: 'report' as const } }]

/** Makes the function that defines tests in a cluster which is started before the first of them. */
export function createReasonTests(cluster: () => Cluster): DefineReasonTest {
  let count = 0
  return (reason, title, play, options) => {
    const name = `${reason.toLowerCase()}-${++count}`
    it.concurrent(`${reason}: ${title}`, async () => {
      const scene = await Scene.open(cluster(), name, options)
      await play(scene)
      await scene.cluster.caughtUp()
      expectSeen(scene, reason)
    })
  }
}
