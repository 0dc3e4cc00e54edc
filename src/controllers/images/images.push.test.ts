import { describe, expect, it } from 'vitest'
import { build, buildOf, start } from './fake-images.ts'

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
