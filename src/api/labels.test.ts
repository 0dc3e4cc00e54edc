import { describe, expect, it } from 'vitest'
import { parseUnloadPolicy, unloadPolicyAnnotation } from './annotations.ts'
import {
  getDevicePluginReadyLabel,
  getDevicePluginTargetLabel,
  getDraReadyLabel,
  getKernelModuleReadyNodeLabel,
  getKernelModuleVersionReadyNodeLabel,
  getModuleConfiguredLabel,
  getModuleInUseLabel,
  getModuleVersionLabelName,
  getSchedulePodVersionLabelName,
  getWorkerPodVersionLabelName,
  hasReadyLabel,
  isDeprecatedReadyNodeLabel,
  parseKernelModuleReadyNodeLabel,
  parseKernelModuleVersionReadyNodeLabel,
  parseModuleConfiguredLabel,
  parseModuleInUseLabel,
  parseModuleVersionLabelName,
  parseSchedulePodVersionLabelName,
  parseWorkerPodVersionLabelName,
} from './labels.ts'

type GetLabel = (namespace: string, name: string) => string

const names: [GetLabel, string][] = [
  [getKernelModuleReadyNodeLabel, 'kmm.node.kubernetes.io/ns.mod.ready'],
  [getKernelModuleVersionReadyNodeLabel, 'kmm.node.kubernetes.io/ns.mod.version.ready'],
  [getDevicePluginReadyLabel, 'kmm.node.kubernetes.io/ns.mod.device-plugin-ready'],
  [getDevicePluginTargetLabel, 'kmm.node.kubernetes.io/ns.mod.device-plugin-target'],
  [getDraReadyLabel, 'kmm.node.kubernetes.io/ns.mod.dra-ready'],
  [getModuleVersionLabelName, 'kmm.node.kubernetes.io/version-module.ns.mod'],
  [getWorkerPodVersionLabelName, 'beta.kmm.node.kubernetes.io/version-worker-pod.ns.mod'],
  [getSchedulePodVersionLabelName, 'beta.kmm.node.kubernetes.io/version-schedule-pod.ns.mod'],
  [getModuleConfiguredLabel, 'beta.kmm.node.kubernetes.io/ns.mod.module-configured'],
  [getModuleInUseLabel, 'beta.kmm.node.kubernetes.io/ns.mod.module-in-use'],
]

describe('labels', () => {
  it.each(names)('%o is written as upstream writes it', (getLabel, label) => {
    expect(getLabel('ns', 'mod')).toBe(label)
  })

  const parsers = [
    [getKernelModuleReadyNodeLabel, parseKernelModuleReadyNodeLabel],
    [getKernelModuleVersionReadyNodeLabel, parseKernelModuleVersionReadyNodeLabel],
    [getModuleConfiguredLabel, parseModuleConfiguredLabel],
    [getModuleInUseLabel, parseModuleInUseLabel],
    [getModuleVersionLabelName, parseModuleVersionLabelName],
    [getWorkerPodVersionLabelName, parseWorkerPodVersionLabelName],
    [getSchedulePodVersionLabelName, parseSchedulePodVersionLabelName],
  ] as const

  it.each(parsers)('%o can be read back, also when the name has dots', (getLabel, parse) => {
    expect(parse(getLabel('name-space', 'mod'))).toEqual({ namespace: 'name-space', name: 'mod' })
    expect(parse(getLabel('ns', 'a.b.c'))).toEqual({ namespace: 'ns', name: 'a.b.c' })
  })

  it.each(parsers)('%o alone is read by its own reader', (getLabel, parse) => {
    const others = names.filter(([other]) => other !== getLabel).map(([, label]) => label)
    const foreign = ['kmm.node.kubernetes.io/mod.ready', 'example.com/ns.mod.ready', 'kubernetes.io/hostname', '']
    for (const label of [...others, ...foreign]) expect([label, parse(label)]).toEqual([label, undefined])
  })

  it('a version label names a Module only after its whole prefix', () => {
    const domain = 'kmm.node.kubernetes.io'
    const others = ['version-module', 'version-modules.ns.mod', 'version-module.mod', 'version-module..mod'].map(
      (name) => `${domain}/${name}`,
    )
    for (const label of [...others, `beta.${domain}/version-module.ns.mod`])
      expect([label, parseModuleVersionLabelName(label)]).toEqual([label, undefined])
    expect(parseWorkerPodVersionLabelName(`${domain}/version-worker-pod.ns.mod`)).toBeUndefined()
  })

  it('the version of a Module x does not say that a Module x.version is loaded', () => {
    const key = getKernelModuleVersionReadyNodeLabel('ns', 'x')
    expect(key).toBe(getKernelModuleReadyNodeLabel('ns', 'x.version'))
    const module = { namespace: 'ns', name: 'x.version' }
    expect(hasReadyLabel({ [key]: '1' }, module)).toBe(false)
    expect(hasReadyLabel({ [key]: '' }, module)).toBe(true)
    expect(hasReadyLabel({}, module)).toBe(false)
  })

  it('a ready label without a namespace is one of very old versions', () => {
    expect(isDeprecatedReadyNodeLabel('kmm.node.kubernetes.io/mod.ready')).toBe(true)
    for (const [, label] of names) expect(isDeprecatedReadyNodeLabel(label)).toBe(false)
  })
})

describe('parseUnloadPolicy', () => {
  it.each([
    [undefined, 'OnDelete'],
    [{}, 'OnDelete'],
    [{ [unloadPolicyAnnotation]: 'sometimes' }, 'OnDelete'],
    [{ [unloadPolicyAnnotation]: 'OnTaint' }, 'OnTaint'],
    [{ [unloadPolicyAnnotation]: 'Never' }, 'Never'],
  ])('reads %j as %s', (annotations, policy) => {
    expect(parseUnloadPolicy(annotations)).toBe(policy)
  })
})
