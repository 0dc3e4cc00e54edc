import { beforeEach, describe, expect, it } from 'vitest'
import { fillCaches } from '../../../test/builders/caches.ts'
import { buildNode } from '../../../test/builders/node.ts'
import { buildItem, buildNodeConfig } from '../../../test/builders/node-modules-config.ts'
import { buildWorker } from '../../../test/builders/pod.ts'
import { loadIntent } from '../../../test/builders/work.ts'
import type { Caches } from './caches.ts'
import { type DepartedWorkers, watchDepartedWorkers } from './departed-workers.ts'

const key = { namespace: 'ns', name: 'kmm-worker-n1-mod' }
const running = { running: { startedAt: '2030-01-01T00:00:05Z' } }

let caches: Caches
let departed: DepartedWorkers
beforeEach(() => {
  caches = fillCaches({ nodes: [buildNode()], nodeModulesConfigs: [buildNodeConfig({ entries: [buildItem()] })] })
  departed = watchDepartedWorkers(caches)
})

/** A worker pod that comes and goes. */
function pass(state?: object): void {
  const pod = buildWorker(loadIntent())
  const [container] = pod.spec?.containers ?? []
  const status = { containerStatuses: [{ name: container?.name ?? '', state }] }
  const metadata = { ...pod.metadata, resourceVersion: '1' }
  caches.pods.written({ ...pod, metadata, ...(state ? { status } : {}) } as typeof pod)
  caches.pods.deleted(key, 'uid-pod')
}

describe('a worker pod that went', () => {
  it('is remembered as it was last seen, until somebody has taken note of it', () => {
    const told: string[] = []
    departed.onForgotten((node) => void told.push(node))
    pass(running)
    expect(departed.list('n1')).toMatchObject([
      { uid: 'uid-pod', deleting: true, container: { state: { kind: 'running' } } },
    ])
    departed.forget('n1', ['uid-other'])
    expect(departed.list('n1')).toHaveLength(1)
    departed.forget('n1', ['uid-pod'])
    expect(departed.list('n1')).toEqual([])
    expect(told).toEqual(['n1', 'n1'])
  })

  it('is not remembered where its container never ran', () => {
    pass()
    pass({ waiting: { reason: 'ImagePullBackOff' } })
    expect(departed.list('n1')).toEqual([])
  })

  it('says nothing of a node that is gone, nor of one without a NodeModulesConfig', () => {
    pass(running)
    caches.nodes.deleted({ name: 'n1' }, 'uid-n1')
    expect(departed.list('n1')).toEqual([])
    pass(running)
    expect(departed.list('n1')).toEqual([])
  })
})
