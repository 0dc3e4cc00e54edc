import { describe, expect, it } from 'vitest'
import { buildModule } from '../../../test/builders/module.ts'
import { decideWork, findAction, typesOf } from '../../../test/builders/work.ts'
import { getKernelModuleReadyNodeLabel } from '../../api/labels.ts'
import { type Module, moduleFields } from '../../api/module.ts'
import type { NodeModuleItem } from '../../api/node-modules-config.ts'
import type { StructuralSchema } from '../../api/schema/schema.ts'
import { createMappingResolver } from '../../kernel/resolver.ts'
import { answerMapping } from '../cluster/answer-mapping.ts'
import { buildItem } from '../plan/item.ts'

const kernelVersion = '6.1.0-1-amd64'
const container = 'moduleLoader.container'
const mapping = `${container}.kernelMappings.0`

/** What takes the module out of the kernel and puts it there anew, and a value that it does not have before. */
const reloads: Record<string, unknown> = {
  [`${container}.containerImage`]: 'registry.test/mod:v2',
  [`${container}.inTreeModuleToRemove`]: 'other',
  [`${container}.inTreeModulesToRemove`]: ['other'],
  [`${container}.modprobe.args.load`]: ['-v'],
  [`${container}.modprobe.args.unload`]: ['-v'],
  [`${container}.modprobe.dirName`]: '/usr',
  [`${container}.modprobe.firmwarePath`]: '/firmware',
  [`${container}.modprobe.moduleName`]: 'other',
  [`${container}.modprobe.modulesLoadingOrder`]: ['mod', 'other'],
  [`${container}.modprobe.parameters`]: ['a=1'],
  [`${container}.modprobe.rawArgs.load`]: ['mod'],
  [`${container}.modprobe.rawArgs.unload`]: ['-r', 'mod'],
  [`${mapping}.containerImage`]: 'registry.test/mod:v3',
  [`${mapping}.inTreeModuleToRemove`]: 'other',
  [`${mapping}.inTreeModulesToRemove`]: ['other'],
}

/** What is for the next load or unload, or for nobody on the node. */
const stays: Record<string, unknown> = {
  devicePlugin: { container: { image: 'plugin' } },
  dra: { driverName: 'driver', container: { image: 'driver' } },
  imageRebuildTriggerGeneration: 2,
  imageRepoSecret: { name: 'other' },
  selector: { role: 'worker', other: 'label' },
  tolerations: [{ key: 'a', operator: 'Exists' }],
  'moduleLoader.serviceAccountName': 'other',
  [`${container}.build`]: { dockerfileConfigMap: { name: 'dockerfile' } },
  [`${container}.imagePullPolicy`]: 'Always',
  [`${container}.registryTLS`]: { insecure: true },
  [`${container}.sign`]: { keySecret: { name: 'key' }, certSecret: { name: 'cert' } },
  [`${container}.version`]: '2',
  [`${mapping}.build`]: { dockerfileConfigMap: { name: 'dockerfile' } },
  [`${mapping}.literal`]: kernelVersion,
  [`${mapping}.regexp`]: '^6',
  [`${mapping}.registryTLS`]: { insecureSkipTLSVerify: true },
  [`${mapping}.sign`]: { keySecret: { name: 'key' }, certSecret: { name: 'cert' } },
}

/** Parts that are looked at as a whole. */
const whole = /(^|\.)(build|sign|registryTLS|devicePlugin|dra|imageRepoSecret|selector|tolerations)$/

/** The path of every field of a Module's spec. */
function listFields(schema: StructuralSchema, path: string): string[] {
  if (whole.test(path)) return [path]
  const { properties } = schema
  if (properties !== undefined)
    return Object.entries(properties).flatMap(([name, field]) =>
      listFields(field, path === '' ? name : `${path}.${name}`),
    )
  const { items } = schema
  return items?.properties === undefined ? [path] : listFields(items, `${path}.0`)
}

/** A copy with one field set. */
function setField(object: object, path: string, value: unknown): object {
  const [first = '', ...rest] = path.split('.')
  const before: unknown = Reflect.get(object, first)
  const inner = typeof before === 'object' && before !== null ? before : {}
  const after = rest.length === 0 ? value : setField(inner, rest.join('.'), value)
  return Array.isArray(object) ? object.with(Number(first), after) : { ...object, [first]: after }
}

const module = buildModule({
  container: { containerImage: 'registry.test/mod:v1', kernelMappings: [{ regexp: '^.+$', containerImage: '' }] },
})

function plan({ metadata, spec = { selector: {} } }: Module): NodeModuleItem {
  const changed = { metadata, spec }
  const answer = answerMapping(createMappingResolver(), changed, kernelVersion)
  if (answer.kind !== 'resolved' || !spec.moduleLoader) throw new Error('the Module does not ask for anything')
  return buildItem(changed, spec.moduleLoader, answer.resolved, { phase: 'Exists' })
}

const ready = getKernelModuleReadyNodeLabel('ns', 'mod')

/** Decides about a node where the module is loaded when one field of the Module changes. */
function decideChange(path: string, value: unknown) {
  const spec = setField(module.spec ?? {}, path, value) as NonNullable<Module['spec']>
  const [before, entry] = [plan(module), plan({ ...module, spec })]
  const loaded = { ...before, bootId: 'boot-1' }
  const { actions } = decideWork({ entry, loaded, node: { labels: { role: 'worker', [ready]: '' } } })
  return { actions, before, isPlanned: JSON.stringify(before) !== JSON.stringify(entry), entry }
}

describe('a change of a Module that is loaded', () => {
  it('is known for every field that a Module has', () => {
    const known = [...Object.keys(reloads), ...Object.keys(stays)]
    expect(known.sort()).toEqual(listFields(moduleFields.spec.schema, '').sort())
  })

  it.each(Object.entries(reloads))('takes its label and unloads it as it was: %s', (path, value) => {
    const { actions, before } = decideChange(path, value)
    expect(typesOf(actions)).toEqual(['labelNode', 'createPod'])
    expect(findAction(actions, 'createPod').intent).toMatchObject({ action: 'Unload', config: before.config })
  })

  it.each(Object.entries(stays))('has no worker run, and is remembered for the next: %s', (path, value) => {
    const { actions, entry, isPlanned } = decideChange(path, value)
    const changed = actions.filter(({ type }) => type !== 'labelNode')
    expect(typesOf(changed)).toEqual(isPlanned ? ['writeStatus'] : [])
    if (isPlanned) expect(findAction(actions, 'writeStatus').modules).toEqual([{ ...entry, bootId: 'boot-1' }])
    for (const action of actions)
      if (action.type === 'labelNode') expect(Object.values(action.labels)).not.toContain(null)
  })
})
