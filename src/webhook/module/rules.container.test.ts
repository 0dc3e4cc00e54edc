import { describeRule } from '../../../test/admission/describe-rule.ts'
import {
  container,
  first,
  judgeModule,
  mapping,
  withContainer,
  withMapping,
  withoutLoader,
} from '../../../test/admission/modules.ts'

describeRule('5', {
  judge: judgeModule,
  accepted: [
    ['a device plugin alone', withoutLoader({ devicePlugin: { container: { image: 'p:1' } } })],
    ['no spec', { metadata: { name: 'm', namespace: 'ns' } }],
  ],
  refused: [
    ['rule 2 is broken', withoutLoader({ tolerations: [{}] }), ['spec.tolerations[0].key']],
    [
      'rule 4 is broken',
      withoutLoader({
        devicePlugin: { container: { image: 'p:1' }, volumes: [{ name: 'v', hostPath: { path: '/' } }] },
      }),
      ['spec.devicePlugin.volumes[0].hostPath.path'],
    ],
  ],
  boundary: {
    accepted: ['no module loader', withoutLoader()],
    refused: [
      'a module loader of nothing',
      withoutLoader({ moduleLoader: { container: { modprobe: {}, kernelMappings: [] } } }),
      [`${container}.modprobe.rawArgs.load`, `${container}.modprobe.rawArgs.unload`],
    ],
  },
})

describeRule('6', {
  judge: judgeModule,
  accepted: [
    ['a literal', withMapping({ literal: '6.1.0' })],
    ['an empty literal beside a pattern', withMapping({ literal: '', regexp: 'x' })],
    [
      'the image of the container',
      withContainer({ containerImage: 'r/x:1', kernelMappings: [{ ...mapping, containerImage: '' }] }),
    ],
    ['a digest', withMapping({ regexp: 'x', containerImage: 'r/x@sha256:00' })],
    ['a port in place of a tag', withMapping({ regexp: 'x', containerImage: 'r:5000/x' })],
    [
      'both in-tree forms (upstream refuses them)',
      withContainer({ inTreeModuleToRemove: 'a', inTreeModulesToRemove: ['b'] }),
    ],
    [
      'both in-tree forms in a mapping (upstream refuses them)',
      withMapping({ regexp: 'x', inTreeModuleToRemove: 'a', inTreeModulesToRemove: ['b'] }),
    ],
    [
      'one in-tree form over the other (upstream refuses them)',
      withContainer({ inTreeModuleToRemove: 'a', kernelMappings: [{ ...mapping, inTreeModulesToRemove: ['b'] }] }),
    ],
  ],
  refused: [
    [
      'an image of the container without tag',
      withContainer({ containerImage: 'r/x' }),
      [`${container}.containerImage`],
    ],
    ['no image at all', withMapping({ regexp: 'x', containerImage: '' }), [`${first}.containerImage`]],
    ['a mapping for nothing', withMapping({}), [first]],
    ['literal and pattern together', withMapping({ literal: 'a', regexp: 'a' }), [first]],
    ['a pattern that does not compile', withMapping({ regexp: '(' }), [`${first}.regexp`]],
    ['a pattern with a look-ahead', withMapping({ regexp: 'a(?=b)' }), [`${first}.regexp`]],
    [
      'the second of two mappings',
      withMapping({ regexp: 'a' }, { literal: 'b', containerImage: 'r/x' }),
      [`${container}.kernelMappings[1].containerImage`],
    ],
  ],
  boundary: {
    accepted: ['an image with a tag', withMapping({ regexp: 'x', containerImage: 'r/x:1' })],
    refused: ['an image without one', withMapping({ regexp: 'x', containerImage: 'r/x' }), [`${first}.containerImage`]],
  },
})
