import { describe, expect, it } from 'vitest'
import { build, buildOf, built, start } from './fake-images.ts'

const unsure = { kind: 'read', build: { ...buildOf('b1'), unresolved: ['base:1'] } } as const

describe('a build of which nobody knows whether its base is another by now', () => {
  it.each([true, false])('goes on as long as it pushes as is asked for (%s)', (pushBuiltImage) => {
    const world = start({ build }, unsure).change({ pushBuiltImage }).settle()
    const { pod } = world
    world.inputs = { kind: 'read', build: { ...buildOf('b2'), unresolved: ['base:1'] } }
    world.advance(60_000)
    expect(world.jobs).toEqual([pod])
  })

  it.each([true, false])('is begun anew when it is no longer to push as it does (%s)', (pushBuiltImage) => {
    const world = start({ build }, unsure).change({ pushBuiltImage }).settle()
    const { pod } = world
    world.change({ pushBuiltImage: !pushBuiltImage }).settle()
    expect(world.jobs).not.toContainEqual(pod)
    expect(world.jobs.map(({ isPushed }) => isPushed)).toEqual([!pushBuiltImage])
  })
})

describe('what was made to see that it can be', () => {
  const sign = { keySecret: { name: 'key' }, certSecret: { name: 'cert' } }
  const inputs = { ...built, sign: { hash: 's1'.repeat(32), setup: 'setup', certificate: 'c1'.repeat(32) } }
  const later = 'it is signed only where pushBuiltImage is true'

  it('was only built, where it is to be signed, too, and says so', () => {
    const world = start({ build, sign }, inputs).change({ pushBuiltImage: false }).settle()
    const state = { kind: 'succeeded', digest: '', finishedAtMs: world.nowMs } as const
    expect(world.replace(world.pod, { state }).settle().status?.message).toContain(later)
    // Not before the registry was asked for what is to be signed: a preflight believes the first that it reads.
    expect(world.count('write Built')).toBe(1)
  })

  it('was signed, where what is signed is there, and says nothing else', () => {
    const world = start({ build, sign }, inputs)
    world.end({ digest: 'sha256:un' }).change({ pushBuiltImage: false }).settle()
    expect(world.pod.type).toBe('SignImage')
    const state = { kind: 'succeeded', digest: '', finishedAtMs: world.nowMs } as const
    const { status } = world.replace(world.pod, { state }).settle()
    expect([status?.phase, status?.message]).toEqual(['Built', 'it can be signed; it was not pushed, as was asked for'])
  })
})
