import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { builtInResources } from '../built-in-resources.ts'
import { asDefinition, type Definition, toServed } from '../definition.ts'
import type { ApiObject } from '../object.ts'
import { createValidator } from './validator.ts'

const folder = 'deploy/crds'
const validator = createValidator()

function readDefinition(file: string): Definition {
  const definition = asDefinition(parse(readFileSync(join(folder, file), 'utf8')) as ApiObject)
  if (definition === undefined) throw new Error(`${file} holds no definition`)
  return definition
}

describe('the definitions that KMM ships', () => {
  it.each(readdirSync(folder).filter((file) => file.endsWith('.yaml')))('%s is accepted whole', (file) => {
    const resource = builtInResources.find((each) => each.kind === 'CustomResourceDefinition')!
    const object = readDefinition(file)
    expect(validator.prepare(resource, object).unknownFields).toEqual([])
    expect(object).toEqual(readDefinition(file))
    expect(validator.validate({ resource, object })).toEqual([])
  })

  it('refuse a Module with both device plugin and DRA, in the words of the server', () => {
    const definition = readDefinition('kmm.sigs.x-k8s.io_modules.yaml')
    const resource = toServed(definition, definition.spec.versions[0]!, (object) => Promise.resolve(object))
    const container = { image: 'i' }
    const moduleLoader = {
      container: { modprobe: { moduleName: 'm' }, kernelMappings: [{ literal: '6.1', containerImage: 'i' }] },
    }
    const devicePlugin = { container }
    const dra = { driverName: 'd.example.com', container }
    const object: ApiObject = {
      apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
      kind: 'Module',
      metadata: { name: 'm', namespace: 'ns' },
      spec: { selector: {}, moduleLoader, devicePlugin, dra },
    }
    validator.prepare(resource, object)
    const causes = validator.validate({ resource, object })
    expect(causes.map(({ field, message }) => `${field}: ${message}`)).toContain(
      'spec: Invalid value: spec.dra and spec.devicePlugin are mutually exclusive',
    )
  })
})
