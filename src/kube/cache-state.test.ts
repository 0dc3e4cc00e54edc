import { expect, it } from 'vitest'
import type { Change } from './cache.ts'
import { createCacheState } from './cache-state.ts'
import { createFakeClock } from './fake-clock.ts'
import type { KubeObject } from './object.ts'

function createState() {
  const changes: Change<KubeObject>[] = []
  const state = createCacheState<KubeObject, KubeObject>({
    trim: (object) => structuredClone(object),
    indexes: {},
    selects: () => true,
    clock: createFakeClock(),
    notify: (news) => changes.push(...news),
    onError: (error) => {
      throw error
    },
  })
  return { state, changes }
}

const thing = (uid: string, resourceVersion: string): KubeObject => ({ metadata: { name: 'a', uid, resourceVersion } })

it('believes a list over everything before it, also when the server was restored from an older copy', () => {
  const { state } = createState()
  state.applyEvent('ADDED', thing('u', '10'))
  state.deleted({ name: 'a' }, 'u', undefined)
  state.applyEvent('DELETED', thing('u', '12'))
  const list = state.beginList()
  list.add([thing('u', '8')])
  list.commit('9')
  expect(state.store.get('a')?.resourceVersion).toBe('8')
  state.applyEvent('MODIFIED', thing('u', '10'))
  expect(state.store.get('a')?.resourceVersion).toBe('10')
})

it('works, without order, with resourceVersions that are no numbers', () => {
  const { state, changes } = createState()
  state.applyEvent('ADDED', thing('u', 'abc'))
  state.written(thing('u', 'abb'))
  state.applyEvent('DELETED', thing('u', 'aaa'))
  expect(changes.map(({ before, after }) => [before, after].map((each) => each?.metadata?.resourceVersion))).toEqual([
    [undefined, 'abc'],
    ['abc', 'abb'],
    ['abb', undefined],
  ])
})

it('compares resourceVersions that do not fit into a number', () => {
  const { state } = createState()
  state.applyEvent('ADDED', thing('u', '9007199254740993'))
  state.applyEvent('MODIFIED', thing('u', '9007199254740992'))
  expect(state.store.get('a')?.resourceVersion).toBe('9007199254740993')
  state.applyEvent('MODIFIED', thing('u', '10000000000000000'))
  expect(state.store.get('a')?.resourceVersion).toBe('10000000000000000')
})

it('drops a list that was abandoned', () => {
  const { state } = createState()
  state.applyEvent('ADDED', thing('u', '1'))
  const list = state.beginList()
  list.add([])
  list.abandon()
  expect(state.store.list().length).toBe(1)
})
