import { describe, expect, it } from 'vitest'
import { fillCaches } from '../../../test/builders/caches.ts'
import { buildModule, buildPluginModule, markDeleted, type ModuleParts } from '../../../test/builders/module.ts'
import { buildNode, cordoned } from '../../../test/builders/node.ts'
import type { ModuleImagesConfig, ModuleImagesConfigSpec } from '../../api/module-images-config.ts'
import type { Module } from '../../api/module.ts'
import { createMappingResolver } from '../../kernel/resolver.ts'
import type { NodeView } from '../cluster/node-view.ts'
import { type Action, decide } from './decide.ts'
import { observe } from './observe.ts'

function see(module: Module, nodes: readonly NodeView[], config?: ModuleImagesConfig) {
  const caches = fillCaches({ modules: [module], nodes, ...(config ? { moduleImagesConfigs: [config] } : {}) })
  const observed = observe('ns/mod', caches, createMappingResolver())
  if (observed === undefined) throw new Error('nothing observed')
  return decide(observed)
}

const act = (...given: Parameters<typeof see>): readonly Action[] => see(...given).actions

const perKernel: ModuleParts = {
  container: {
    kernelMappings: [
      { literal: '6.1.0-1-amd64', containerImage: 'registry.test/first' },
      { regexp: '^6\\.', containerImage: 'registry.test/mod:${KERNEL_FULL_VERSION}' },
    ],
  },
}
const kernels = ['6.1.0-1-amd64', '6.2.0-1-amd64', '6.2.0-1-amd64+', '5.15.0-1-amd64']
const nodes = kernels.map((kernelVersion, index) =>
  buildNode({ name: `n${index}`, uid: `uid-${index}`, kernelVersion }),
)

/** As the API server stores what the Go operator wrote: with empty values and defaults. */
const written: ModuleImagesConfigSpec = {
  images: [{ image: 'registry.test/mod:v1', kernelVersion: '6.1.0-1-amd64', dirName: '/opt', registryTLS: {} }],
  imageRepoSecret: { name: '' },
  imagePullPolicy: '',
  pushBuiltImage: true,
  tolerations: [],
}

const store = (spec: ModuleImagesConfigSpec): ModuleImagesConfig => ({
  metadata: { namespace: 'ns', name: 'mod', uid: 'uid-images', resourceVersion: '3' },
  spec,
})

function imagesOf(actions: readonly Action[]): [string, string][] {
  const [action] = actions
  const spec = action?.type === 'createImages' ? action.config.spec : action?.spec
  return (spec?.images ?? []).map(({ image, kernelVersion }) => [image, kernelVersion])
}

describe("a Module's images", () => {
  it('are those of the kernels of the nodes that it selects, each once, and owned by it', () => {
    const actions = act(buildModule(perKernel), [...nodes, buildNode({ name: 'other', labels: {} })])
    expect(imagesOf(actions)).toEqual([
      ['registry.test/first', '6.1.0-1-amd64'],
      ['registry.test/mod:6.2.0-1-amd64', '6.2.0-1-amd64'],
    ])
    expect(actions).toMatchObject([
      {
        type: 'createImages',
        config: {
          metadata: {
            namespace: 'ns',
            name: 'mod',
            ownerReferences: [{ kind: 'Module', name: 'mod', uid: 'uid-ns-mod', controller: true }],
          },
        },
      },
    ])
  })

  it('are looked for on tainted nodes, too: what runs there is to stay', () => {
    expect(imagesOf(act(buildModule(), [buildNode({ taints: [cordoned] })]))).toHaveLength(1)
  })

  it('carry how they are built, signed and fetched', () => {
    const build = { dockerfileConfigMap: { name: 'dockerfile' } }
    const module = buildModule({
      spec: {
        imageRepoSecret: { name: 'pull' },
        imageRebuildTriggerGeneration: 3,
        tolerations: [{ operator: 'Exists' }],
      },
      container: { build, registryTLS: { insecure: true }, imagePullPolicy: 'Always' },
    })
    expect(act(module, [buildNode()])).toMatchObject([
      {
        config: {
          spec: {
            images: [{ build, registryTLS: { insecure: true }, dirName: '/opt' }],
            imageRepoSecret: { name: 'pull' },
            imageRebuildTriggerGeneration: 3,
            imagePullPolicy: 'Always',
            pushBuiltImage: true,
            tolerations: [{ operator: 'Exists' }],
          },
        },
      },
    ])
  })

  it('carry what is signed and of what, each for its own kernel', () => {
    const secret = { name: 'secret' }
    const build = { dockerfileConfigMap: { name: 'dockerfile' }, buildArgs: [{ name: 'A', value: '${MOD_NAME}' }] }
    const container: ModuleParts['container'] = {
      build,
      kernelMappings: [
        {
          regexp: '^6\\.',
          containerImage: 'registry.test/mod:${KERNEL_FULL_VERSION}',
          sign: {
            keySecret: secret,
            certSecret: secret,
            unsignedImage: 'registry.test/${MOD_NAMESPACE}/${MOD_NAME}-unsigned:${KERNEL_FULL_VERSION}',
            filesToSign: ['/opt/lib/modules/${KERNEL_FULL_VERSION}/${MOD_NAME}.ko'],
          },
        },
      ],
    }
    const [action] = act(buildModule({ container }), nodes.slice(0, 2))
    const images = action?.type === 'createImages' ? action.config.spec?.images : []
    expect(images).toMatchObject(
      ['6.1.0-1-amd64', '6.2.0-1-amd64'].map((kernelVersion) => ({
        image: `registry.test/mod:${kernelVersion}`,
        kernelVersion,
        build,
        sign: {
          keySecret: secret,
          unsignedImage: `registry.test/ns/mod-unsigned:${kernelVersion}`,
          filesToSign: [`/opt/lib/modules/${kernelVersion}/mod.ko`],
        },
      })),
    )
  })

  it('are made for the first of the kernels that share one, however the nodes are listed', () => {
    const shared = { container: { kernelMappings: [{ regexp: '^6', containerImage: 'registry.test/shared' }] } }
    for (const each of [nodes, nodes.toReversed()])
      expect(imagesOf(act(buildModule(shared), each))).toEqual([['registry.test/shared', '6.1.0-1-amd64']])
  })

  it('are not asked for where there are none', () => {
    expect(act(buildModule(), [])).toEqual([])
    expect(act(buildPluginModule(), [buildNode()])).toEqual([])
  })

  it('stay while the Module is being deleted', () => {
    expect(act(markDeleted(buildModule()), [], store(written))).toEqual([])
  })
})

describe('a ModuleImagesConfig that exists', () => {
  it('is not written when it differs only in what is absent, empty or a default', () => {
    expect(act(buildModule(), [buildNode()], store(written))).toEqual([])
    const withoutDirName = buildModule({ container: { modprobe: { moduleName: 'mod', dirName: '' } } })
    expect(act(withoutDirName, [buildNode()], store(written))).toEqual([])
  })

  it('is patched with its resourceVersion, and loses what is no longer asked for', () => {
    const present = store({ ...written, imageRebuildTriggerGeneration: 3, imageRepoSecret: { name: 'old' } })
    expect(act(buildModule(), [buildNode()], present)).toMatchObject([
      {
        type: 'patchImages',
        resourceVersion: '3',
        spec: { imageRebuildTriggerGeneration: null, imageRepoSecret: null, tolerations: null },
      },
    ])
  })

  it('is emptied when no node is selected any more', () => {
    expect(act(buildModule(), [], store(written))).toMatchObject([{ type: 'patchImages', spec: { images: [] } }])
  })
})

it('says which kernel a mapping cannot be used for, and goes on with the others', () => {
  const container = {
    kernelMappings: [
      { regexp: '^6\\.1', containerImage: '${' },
      { regexp: '^6\\.2', containerImage: 'registry.test/b' },
    ],
  }
  const { actions, waits } = see(buildModule({ container }), nodes)
  expect(imagesOf(actions)).toEqual([['registry.test/b', '6.2.0-1-amd64']])
  expect(waits).toEqual([{ reason: 'MappingInvalid', message: expect.stringMatching(/^kernel 6\.1\.0-1-amd64: /) }])
})
