import { expect, it } from 'vitest'
import { describeRule } from '../../../test/admission/describe-rule.ts'
import {
  makeModule,
  text,
  withContainer,
  withDra,
  withMapping,
  withToleration,
  withoutLoader,
} from '../../../test/admission/modules.ts'
import type { ManagedClusterModule } from '../../api/managed-cluster-module.ts'
import type { Module } from '../../api/module.ts'
import { validateManagedClusterModule } from './validate-managed-cluster-module.ts'

interface Asked {
  object: ManagedClusterModule
  old?: ManagedClusterModule
}

const wrap = ({ spec }: Module, name = 'm'): ManagedClusterModule => ({
  metadata: { name },
  spec: { selector: {}, spokeNamespace: 'ns', ...(spec ? { moduleSpec: spec } : {}) },
})
const ask = (module: Module, old?: Module): Asked => ({ object: wrap(module), ...(old ? { old: wrap(old) } : {}) })
const broken = withMapping({ regexp: '(' })
const loader = 'spec.moduleSpec.moduleLoader.container'

describeRule('11.4', {
  judge: ({ object, old }: Asked) => validateManagedClusterModule(object, old).errors.map(({ field }) => field),
  accepted: [
    ['a name and a namespace of any length, as rule 1 is for Modules', { object: wrap(makeModule(), text(63)) }],
    ['DRA, as the version of the clusters is not known', ask(withDra({}))],
    ['no Module', ask({ metadata: makeModule().metadata })],
    ['no module loader', ask(withoutLoader())],
    ['a spec that stays as it is', ask(broken, broken)],
    ['another version', ask(withContainer({ version: '2' }), withContainer({ version: '1' }))],
  ],
  refused: [
    ['a pattern that does not compile', ask(broken), [`${loader}.kernelMappings[0].regexp`]],
    ['a version that comes', ask(withContainer({ version: '1' }), makeModule()), [`${loader}.version`]],
    ['a toleration of nothing', ask(withToleration({})), ['spec.moduleSpec.tolerations[0].key']],
    ['a driver without a name', ask(withDra({ driverName: '' })), ['spec.moduleSpec.dra.driverName']],
  ],
  boundary: {
    accepted: ['a change of a Module that was wrong, which makes it right', ask(makeModule(), broken)],
    refused: [
      'one that leaves it wrong',
      ask(withMapping({ regexp: '((' }), broken),
      [`${loader}.kernelMappings[0].regexp`],
    ],
  },
})

it.each([
  [41 - 'ns'.length, []],
  [42 - 'ns'.length, [expect.stringContaining('clusters refuse a Module with more than 41')]],
])('warns of a name of %i characters as the clusters judge it', (length, warnings) => {
  expect(validateManagedClusterModule(wrap(makeModule(), text(length))).warnings).toEqual(warnings)
})
