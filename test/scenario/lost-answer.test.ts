import { afterAll, beforeAll, expect, it } from 'vitest'
import { hasCode, KmmError } from '../../src/errors/error.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { Cluster, nmcResource } from './cluster.ts'
import { LateNews } from './late-news.ts'
import { Scene } from './scene.ts'

let cluster: Cluster
const late = new LateNews()
/** Creations of NodeModulesConfigs that were carried out and whose answer was lost; more are lost while it is a number. */
let lost: number | undefined

/** Loses the answers to what creates a NodeModulesConfig, as a connection does that breaks. */
const loseAnswers = (client: KubeClient): KubeClient => ({
  ...client,
  create: async (resource, object, options) => {
    const answer = await client.create(resource, object, options)
    if (lost === undefined || resource.plural !== nmcResource.plural) return answer
    lost++
    throw new KmmError('the connection was reset', { code: 'Unreachable' })
  },
})

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [] })
  await cluster.startOperator({ wrap: (client) => loseAnswers(late.wrap(client)) })
})
afterAll(async () => {
  late.arrive()
  await cluster.stop()
})

it('does not let a Module go that is in a plan which the operator does not know to be written', async () => {
  const scene = await Scene.open(cluster, 'lost-answer')
  late.keepBack((plural) => plural === nmcResource.plural)
  lost = 0
  await scene.create(await scene.push('1'))
  await scene.until('the plan is written, and its answer lost', () => lost)
  await scene.delete()
  await scene.untilGone()
  const left = await cluster.sandbox.client.get(nmcResource, { name: scene.name }).catch((error: unknown) => {
    if (!hasCode(error, 'NotFound')) throw error
    return undefined
  })
  expect(left?.spec?.modules ?? []).toEqual([])
  late.arrive()
  await scene.until('no plan', () => cluster.nmc(scene.name) === undefined)
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
})
