import { describe, expect, it } from 'vitest'
import type { ApiObject } from './object.ts'
import { Store } from './store.ts'
import { plainStrategy, statusStrategy, type Strategy } from './strategy.ts'

const things = { group: 'example.com', plural: 'things' }

function makeStore(strategy: Strategy = { ...statusStrategy, unconditionalUpdate: true }, historySize = 100): Store {
  let uid = 0
  const store = new Store({ now: () => Date.UTC(2026, 0, 1), newUid: () => `uid-${++uid}`, historySize })
  store.define({ ...things, version: 'v1', kind: 'Thing', namespaced: true, strategy })
  return store
}

function thing(name: string, fields: Record<string, unknown> = {}): ApiObject {
  return { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name, namespace: 'n' }, ...fields }
}

const key = (name: string): { namespace: string; name: string } => ({ namespace: 'n', name })

describe('the store', () => {
  it('gives a new object its uid, time, version and generation and drops what clients must not set', () => {
    const store = makeStore()
    const created = store.create(things, {
      ...thing('a'),
      metadata: { ...key('a'), uid: 'mine', resourceVersion: '99', generation: 7, managedFields: [] },
      status: { phase: 'mine' },
    })
    expect(created.metadata).toEqual({
      ...key('a'),
      uid: 'uid-1',
      resourceVersion: '2',
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
    })
    expect(created['status']).toBeUndefined()
  })

  it('raises the version with every change and the generation only with changes of what is wanted', () => {
    const store = makeStore()
    const created = store.create(things, thing('a', { spec: { size: 1 } }))
    const labelled = store.update(things, { ...created, metadata: { ...created.metadata, labels: { x: 'y' } } })
    const resized = store.update(things, { ...labelled, spec: { size: 2 } })
    const reported = store.update(things, { ...resized, status: { ok: true } }, { subresource: 'status' })
    expect([labelled, resized, reported].map((each) => each.metadata.generation)).toEqual([1, 2, 2])
    expect([labelled, resized, reported].map((each) => each.metadata.resourceVersion)).toEqual(['3', '4', '5'])
  })

  it('keeps status and the rest apart', () => {
    const store = makeStore()
    const created = store.create(things, thing('a', { spec: { size: 1 } }))
    const changed = { ...created, spec: { size: 2 }, status: { ok: true } }
    expect(store.update(things, changed, { subresource: 'status' })).toMatchObject({
      spec: { size: 1 },
      status: { ok: true },
    })
    const current = store.get(things, key('a'))
    const byMain = store.update(things, { ...current, spec: { size: 3 }, status: { ok: false } })
    expect(byMain).toMatchObject({ spec: { size: 3 }, status: { ok: true } })
  })

  it('writes nothing when nothing changes', () => {
    const store = makeStore()
    const created = store.create(things, thing('a', { spec: { size: 1 } }))
    expect(store.update(things, structuredClone(created))).toBe(created)
    expect(store.resourceVersion).toBe(2)
  })

  it('refuses an update that was decided on an older version or for another object of that name', () => {
    const store = makeStore()
    const created = store.create(things, thing('a'))
    store.update(things, { ...created, spec: {} })
    expect(() => store.update(things, { ...created, spec: { size: 2 } })).toThrow(
      'Operation cannot be fulfilled on things.example.com "a": the object has been modified; please apply your changes to the latest version and try again',
    )
    expect(() => store.update(things, { ...thing('a'), metadata: { ...key('a'), uid: 'other' } })).toThrow(
      'Precondition failed: UID in precondition: other, UID in object meta: uid-1',
    )
  })

  it('hands out frozen objects and keeps no reference to what it was given', () => {
    const store = makeStore()
    const mine = thing('a', { spec: { list: [1] } })
    const created = store.create(things, mine)
    mine['spec'] = {}
    expect(created).toMatchObject({ spec: { list: [1] } })
    expect(Object.isFrozen(created.metadata)).toBe(true)
    expect(() => Object.assign(created['spec'] as object, { size: 1 })).toThrow(TypeError)
  })

  it('deletes at once what nothing holds', () => {
    const store = makeStore()
    store.create(things, thing('a'))
    expect(store.delete(things, key('a')).gone).toBe(true)
    expect(store.find(things, key('a'))).toBeUndefined()
    expect(() => store.delete(things, key('a'))).toThrow('things.example.com "a" not found')
  })

  it('marks what finalizers hold and removes it with the last of them', () => {
    const store = makeStore()
    store.create(things, { ...thing('a'), metadata: { ...key('a'), finalizers: ['x/1', 'x/2'] } })
    const { object, gone } = store.delete(things, key('a'))
    expect(gone).toBe(false)
    expect(object.metadata).toMatchObject({ deletionTimestamp: '2026-01-01T00:00:00Z', generation: 2 })
    const one = store.update(things, { ...object, metadata: { ...object.metadata, finalizers: ['x/1'] } })
    expect(store.find(things, key('a'))).toBe(one)
    store.update(things, { ...one, metadata: { ...one.metadata, finalizers: [] } })
    expect(store.find(things, key('a'))).toBeUndefined()
  })

  it('does not let an update take a deletion back', () => {
    const store = makeStore()
    store.create(things, { ...thing('a'), metadata: { ...key('a'), finalizers: ['x/1'] } })
    store.delete(things, key('a'))
    const { deletionTimestamp: _gone, ...metadata } = store.get(things, key('a')).metadata
    const updated = store.update(things, { ...thing('a'), spec: {}, metadata })
    expect(updated.metadata.deletionTimestamp).toBe('2026-01-01T00:00:00Z')
  })

  it('adds the finalizer that a propagation policy asks for, and takes it back with another policy', () => {
    const store = makeStore()
    store.create(things, thing('a'))
    const foreground = store.delete(things, key('a'), { propagationPolicy: 'Foreground' })
    expect(foreground.object.metadata.finalizers).toEqual(['foregroundDeletion'])
    const orphan = store.delete(things, key('a'), { propagationPolicy: 'Orphan' })
    expect(orphan.object.metadata.finalizers).toEqual(['orphan'])
    expect(store.delete(things, key('a'), { propagationPolicy: 'Background' }).gone).toBe(true)
  })

  it('checks the preconditions of a delete', () => {
    const store = makeStore()
    store.create(things, thing('a'))
    expect(() => store.delete(things, key('a'), { preconditions: { uid: 'other' } })).toThrow(
      'the UID in the precondition (other) does not match the UID in record (uid-1)',
    )
    expect(() => store.delete(things, key('a'), { preconditions: { resourceVersion: '1' } })).toThrow(
      'the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (2)',
    )
    expect(store.delete(things, key('a'), { preconditions: { uid: 'uid-1', resourceVersion: '2' } }).gone).toBe(true)
  })

  it('waits out a grace period, which a second delete can only shorten', () => {
    const store = makeStore({ ...plainStrategy, gracePeriod: (_object, request) => request.gracePeriodSeconds ?? 30 })
    store.create(things, thing('a'))
    expect(store.delete(things, key('a')).object.metadata).toMatchObject({
      deletionTimestamp: '2026-01-01T00:00:30Z',
      deletionGracePeriodSeconds: 30,
    })
    const version = store.resourceVersion
    store.delete(things, key('a'), { gracePeriodSeconds: 60 })
    expect(store.resourceVersion).toBe(version)
    const shorter = store.delete(things, key('a'), { gracePeriodSeconds: 5 })
    expect(shorter.object.metadata.deletionGracePeriodSeconds).toBe(5)
    expect(store.delete(things, key('a'), { gracePeriodSeconds: 0 }).gone).toBe(true)
  })

  it('lists by namespace and name', () => {
    const store = makeStore()
    for (const name of ['b', 'a']) {
      store.create(things, thing(name))
      store.create(things, { ...thing(name), metadata: { name, namespace: 'm' } })
    }
    const names = (namespace?: string): string[] =>
      store.list(things, namespace).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
    expect(names()).toEqual(['m/a', 'm/b', 'n/a', 'n/b'])
    expect(names('n')).toEqual(['n/a', 'n/b'])
  })
})

describe('the changes of a store', () => {
  it('reach everybody in the order of their versions, also when a listener writes', () => {
    const store = makeStore()
    const seen: string[] = []
    store.subscribe(things, (event) => {
      if (event.type === 'ADDED' && event.object.metadata.name === 'a') store.create(things, thing('b'))
    })
    store.subscribe(things, (event) => seen.push(`${event.type} ${event.object.metadata.name}`))
    store.create(things, thing('a'))
    expect(seen).toEqual(['ADDED a', 'ADDED b'])
  })

  it('can be read again from a version, the object before the change included', () => {
    const store = makeStore()
    const created = store.create(things, thing('a'))
    const updated = store.update(things, { ...created, spec: {} })
    const { object } = store.delete(things, key('a'))
    expect(store.eventsSince(things, 2)).toEqual([
      { type: 'MODIFIED', object: updated, before: created, resourceVersion: 3 },
      { type: 'DELETED', object, before: updated, resourceVersion: 4 },
    ])
    expect(object.metadata.resourceVersion).toBe('4')
  })

  it('are forgotten when there are too many, and what needs them is told so', () => {
    const store = makeStore(plainStrategy, 5)
    for (let count = 0; count < 30; count++) store.create(things, thing(`t${count}`))
    expect(store.eventsSince(things, 27).map((event) => event.resourceVersion)).toEqual([28, 29, 30, 31])
    expect(() => store.eventsSince(things, 3)).toThrow(/^too old resource version: 3 \(\d+\)$/)
  })

  it('end with their kind', () => {
    const store = makeStore()
    let ended = false
    store.subscribe(
      things,
      () => {},
      () => {
        ended = true
      },
    )
    store.undefine(things)
    expect(ended).toBe(true)
    expect(() => store.list(things)).toThrow('the server could not find the requested resource')
  })
})
