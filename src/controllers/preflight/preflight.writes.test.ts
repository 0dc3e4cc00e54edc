import { describe, expect, it } from 'vitest'
import { buildModule, buildPluginModule, markDeleted } from '../../../test/builders/module.ts'
import { buildAsked, buildPreflight, observePreflight, type PreflightParts } from '../../../test/builders/preflight.ts'
import type { Decision } from '../../runtime/reconciler.ts'
import { type Action, decide } from './decide.ts'

const nowMs = 10_000

function decideFor(parts: PreflightParts): Decision<Action> {
  const observed = observePreflight(parts)
  return observed === undefined ? { actions: [], waits: [] } : decide(observed, nowMs)
}

const typesOf = (parts: PreflightParts): string[] => decideFor(parts).actions.map(({ type }) => type)

/** The status as it is to be, so that nothing is left to write. */
function settle(parts: PreflightParts): PreflightParts {
  const write = decideFor(parts).actions.find(({ type }) => type === 'writeStatus')
  const modules = write?.type === 'writeStatus' ? write.modules : []
  return { ...parts, preflight: { ...buildPreflight(parts.preflight?.spec), status: { modules: [...modules] } } }
}

describe('the ModuleImagesConfig of a Module', () => {
  const module = buildModule({ metadata: { uid: 'uid-mod' }, spec: { imageRepoSecret: { name: 'pull' } } })

  it('belongs to the preflight, names the Module, and pushes only where that is asked for', () => {
    const config = buildAsked({ modules: [module] })
    expect(config.metadata).toMatchObject({
      namespace: 'ns',
      name: expect.stringMatching(/^mod-preflight-[0-9a-f]{8}$/) as string,
      annotations: { 'kmm.sigs.x-k8s.io/module-name': 'mod' },
      ownerReferences: [{ kind: 'PreflightValidation', name: 'next', uid: 'uid-next', controller: true }],
    })
    expect(config.spec).toMatchObject({ pushBuiltImage: false, imageRepoSecret: { name: 'pull' } })
    const pushing = buildAsked({ preflight: buildPreflight({ pushBuiltImage: true }), modules: [module] })
    expect(pushing.spec).toMatchObject({ pushBuiltImage: true })
  })

  it('is left alone while it asks for the right thing', () => {
    const parts = { modules: [module] }
    expect(typesOf({ ...parts, configs: [buildAsked(parts)] })).toEqual(['writeStatus'])
    expect(decideFor(settle({ ...parts, configs: [buildAsked(parts)] }))).toEqual({ actions: [], waits: [] })
  })

  it('follows the Module and the preflight', () => {
    const configs = [buildAsked({ modules: [module] })]
    const other = buildModule({ container: { registryTLS: { insecure: true } } })
    expect(typesOf({ modules: [other], configs })).toContain('patchImages')
    expect(typesOf({ preflight: buildPreflight({ pushBuiltImage: true }), modules: [module], configs })).toContain(
      'patchImages',
    )
  })

  it.each([
    ['is gone', []],
    ['is being deleted', [markDeleted(module)]],
    ['has no loader any more', [buildPluginModule()]],
    ['has no mapping any more', [buildModule({ container: { kernelMappings: [] } })]],
  ])('goes when the Module %s', (_what, modules) => {
    const configs = [buildAsked({ modules: [module] })]
    expect(typesOf({ modules, configs })).toContain('deleteImages')
  })

  it('gives way to a Module that is really called so', () => {
    const configs = [buildAsked({ modules: [module] })]
    const namesake = buildModule({ name: configs[0]?.metadata.name ?? '' })
    const { actions } = decideFor({ modules: [module, namesake], configs })
    expect(actions.filter(({ type }) => type === 'deleteImages')).toHaveLength(1)
    const made = actions.flatMap((action) => (action.type === 'createImages' ? action.config.metadata.name : []))
    expect(made).toHaveLength(2)
    expect(made).not.toContain(namesake.metadata.name)
  })

  it('that was refused is asked for again later, and keeps no other waiting', () => {
    const { namespace, name } = buildAsked({ modules: [module] }).metadata
    const refusal = { preflight: 'uid-next', message: 'quota is used up', attempts: 1, untilMs: nowMs + 5_000 }
    const refusals = new Map([[`${namespace}/${name}`, refusal]])
    const modules = [module, buildModule({ name: 'other' })]
    const { actions, waits } = decideFor({ modules, refusals })
    expect(actions).toMatchObject([
      { type: 'createImages', config: { metadata: { annotations: { 'kmm.sigs.x-k8s.io/module-name': 'other' } } } },
      { type: 'writeStatus', modules: [{ statusReason: expect.stringContaining('quota is used up') as string }, {}] },
    ])
    expect(waits).toMatchObject([{ untilMs: nowMs + 5_000 }])
    const due = new Map([[`${namespace}/${name}`, { ...refusal, untilMs: nowMs }]])
    expect(typesOf({ modules: [module], refusals: due })).toContain('createImages')
  })
})

describe('the status of a preflight', () => {
  const modules = [buildModule({ name: 'b' }), buildModule({ name: 'a' }), buildModule({ namespace: 'aa', name: 'z' })]

  it('has an entry for each Module, in order, and none for those that are gone', () => {
    const { actions } = decideFor({ modules })
    const write = actions.at(-1)
    const names = write?.type === 'writeStatus' ? write.modules.map((each) => `${each.namespace}/${each.name}`) : []
    expect(names).toEqual(['aa/z', 'ns/a', 'ns/b'])
    const rest = settle({ modules })
    const pruned = decideFor({ ...rest, modules: modules.slice(0, 1) }).actions.at(-1)
    expect(pruned).toMatchObject({ type: 'writeStatus', modules: [{ name: 'b' }] })
  })

  it('is written at most once a second', () => {
    const { actions, waits } = decideFor({ modules, lastWriteMs: nowMs - 400 })
    expect(actions.map(({ type }) => type)).not.toContain('writeStatus')
    expect(waits).toMatchObject([{ untilMs: nowMs + 600 }])
  })

  it('of many Modules is written less often: each write is one of the whole', () => {
    const many = Array.from({ length: 1_000 }, (_, index) => buildModule({ name: `m${index}` }))
    const configs = many.map((module) => buildAsked({ modules: [module] }))
    const { actions, waits } = decideFor({ modules: many, configs, lastWriteMs: nowMs - 4_000 })
    expect(actions).toEqual([])
    expect(waits).toMatchObject([{ untilMs: nowMs + 1_000 }])
    expect(typesOf({ modules: many, configs, lastWriteMs: nowMs - 5_000 })).toEqual(['writeStatus'])
  })

  it('is not written where there is nothing to say', () => {
    expect(decideFor({ modules: [] })).toEqual({ actions: [], waits: [] })
  })

  it('fits into an object, however many Modules there are and whatever is wrong with them', () => {
    const kernelMappings = [{ regexp: '^.+$', containerImage: `registry.test/\${${'X'.repeat(5_000)}` }]
    const many = Array.from({ length: 2_000 }, (_, index) =>
      buildModule({ name: `m${index}`, container: { kernelMappings } }),
    )
    const write = decideFor({ modules: many }).actions.at(-1)
    expect(Buffer.byteLength(JSON.stringify(write?.type === 'writeStatus' ? write.modules : ''))).toBeLessThan(900_000)
  })

  it('is nobody’s business once the preflight is being deleted', () => {
    const preflight = buildPreflight()
    const deleted = { ...preflight, metadata: { ...preflight.metadata, deletionTimestamp: '2030-01-01T00:00:00Z' } }
    expect(decideFor({ preflight: deleted, modules })).toEqual({ actions: [], waits: [] })
  })
})
