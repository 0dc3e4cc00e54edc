import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import type { Module } from '../src/api/module.ts'
import { resolveMapping } from '../src/kernel/resolve.ts'
import { findLoadOrder, parseModulesDep } from '../src/kmod/dependencies.ts'
import { readModuleInfo } from '../src/kmod/modinfo.ts'
import { isBuiltFor } from '../src/kmod/vermagic.ts'

const documents = parseAllDocuments(readFileSync('examples/module.yaml', 'utf8')).map(
  (document) => document.toJS() as unknown,
)
const [namespace, module] = documents as [{ metadata: { name: string; labels: Record<string, string> } }, Module]
const releases = readdirSync('examples/kmod/prebuilt')

describe('the example Module', () => {
  it('lives in a namespace of its own that allows worker pods', () => {
    expect(namespace.metadata.name).toBe(module.metadata.namespace)
    expect(namespace.metadata.labels['pod-security.kubernetes.io/enforce']).toBe('privileged')
  })

  it('takes a mapping of its own for each kernel that it has modules for', () => {
    const mappings = releases.map((release) => resolveMapping(module, release)?.mappingIndex)
    expect(new Set(mappings)).toEqual(new Set([0, 1]))
    expect(resolveMapping(module, '6.12.0-1-arm64')).toBeUndefined()
  })

  it.each(releases)(
    'gets the image %s for that kernel, with its module, built for it, and what that depends on',
    (release) => {
      expect(resolveMapping(module, release)?.containerImage).toBe(`registry.example/kmm-demo:${release}`)
      const directory = `examples/kmod/prebuilt/${release}`
      const order = findLoadOrder(
        parseModulesDep(readFileSync(`${directory}/modules.dep`, 'utf8')),
        module.spec?.moduleLoader?.container.modprobe.moduleName ?? '',
      )
      expect(order?.map(({ name }) => name)).toEqual(['kmm_demo_dep', 'kmm_demo'])
      for (const { path } of order ?? []) {
        const info = readModuleInfo(readFileSync(`${directory}/${path}`))
        expect(isBuiltFor(info.vermagic ?? '', release)).toBe(true)
      }
    },
  )

  it('gives only parameters that the module has', () => {
    const { parameters } = readModuleInfo(readFileSync(`examples/kmod/prebuilt/${releases[0]}/kmm_demo.ko`))
    const given = module.spec?.moduleLoader?.container.modprobe.parameters ?? []
    expect(given.length).toBeGreaterThan(0)
    for (const parameter of given) expect(parameters.map(({ name }) => name)).toContain(parameter.split('=')[0])
  })
})
