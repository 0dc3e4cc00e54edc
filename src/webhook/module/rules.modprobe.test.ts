import { describeRule } from '../../../test/admission/describe-rule.ts'
import {
  container,
  first,
  judgeModule,
  mapping,
  sign,
  withContainer,
  withMapping,
} from '../../../test/admission/modules.ts'
import type { Module, ModuleLoaderContainer } from '../../api/module.ts'

const ask = (modprobe: ModuleLoaderContainer['modprobe']): Module => withContainer({ modprobe })
const modprobe = `${container}.modprobe`
const order = `${modprobe}.modulesLoadingOrder`
const raw = { load: ['m'], unload: ['m'] }

describeRule('7', {
  judge: judgeModule,
  accepted: [
    ['a name', ask({ moduleName: 'm' })],
    ['raw arguments alone', ask({ rawArgs: raw })],
    ['empty raw arguments beside a name', ask({ moduleName: 'm', rawArgs: {} })],
    ['three modules in order', ask({ moduleName: 'm', modulesLoadingOrder: ['m', 'n', 'o'] })],
  ],
  refused: [
    ['raw arguments beside a name', ask({ moduleName: 'm', rawArgs: { load: ['m'] } }), [`${modprobe}.rawArgs.load`]],
    ['raw arguments for loading alone', ask({ rawArgs: { load: ['m'] } }), [`${modprobe}.rawArgs.unload`]],
    ['neither name nor arguments', ask({}), [`${modprobe}.rawArgs.load`, `${modprobe}.rawArgs.unload`]],
    ['an empty order', ask({ moduleName: 'm', modulesLoadingOrder: [] }), [order]],
    ['an order of others', ask({ moduleName: 'm', modulesLoadingOrder: ['n', 'm'] }), [`${order}[0]`]],
    ['an order with one twice', ask({ moduleName: 'm', modulesLoadingOrder: ['m', 'n', 'n'] }), [`${order}[2]`]],
    ['an order without a name', ask({ rawArgs: raw, modulesLoadingOrder: ['m', 'n'] }), [order]],
  ],
  boundary: {
    accepted: ['an order of two', ask({ moduleName: 'm', modulesLoadingOrder: ['m', 'n'] })],
    refused: ['an order of one', ask({ moduleName: 'm', modulesLoadingOrder: ['m'] }), [order]],
  },
})

const files = (...filesToSign: string[]): Module => withContainer({ sign: { ...sign, filesToSign } })

describeRule('8', {
  judge: judgeModule,
  accepted: [
    ['several files', files('/opt/a.ko', '/opt/lib/b.ko')],
    [
      'files of a mapping below another dirName',
      withContainer({
        modprobe: { moduleName: 'm', dirName: '/x' },
        kernelMappings: [{ ...mapping, sign: { ...sign, filesToSign: ['/x/${KERNEL_FULL_VERSION}/m.ko'] } }],
      }),
    ],
    ['files below the default dirName', withContainer({ modprobe: { moduleName: 'm' }, sign })],
  ],
  refused: [
    ['no files', files(), [`${container}.sign.filesToSign`]],
    ['the second of two elsewhere', files('/opt/a.ko', '/lib/b.ko'), [`${container}.sign.filesToSign[1]`]],
    [
      'a mapping without files, whatever the container has',
      withContainer({ sign, kernelMappings: [{ ...mapping, sign: { keySecret: {}, certSecret: {} } }] }),
      [`${first}.sign.filesToSign`],
    ],
    [
      'a mapping alone, without files',
      withMapping({ regexp: 'x', sign: { keySecret: {}, certSecret: {} } }),
      [`${first}.sign.filesToSign`],
    ],
  ],
  boundary: {
    accepted: ['a file in dirName', files('/opt/m.ko')],
    refused: [
      'a file in a folder whose name begins alike',
      files('/option/m.ko'),
      [`${container}.sign.filesToSign[0]`],
    ],
  },
})
