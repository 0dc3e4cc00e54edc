import { describeRule } from '../../../test/admission/describe-rule.ts'
import { judgeAsked, judgeModule, makeModule, text, withDra } from '../../../test/admission/modules.ts'
import type { Accepted, Refused } from '../../../test/admission/describe-rule.ts'
import type { Module } from '../../api/module.ts'

const on = (major: number, minor: number) => ({ module: withDra({}), serverVersion: { major, minor } })
const named = (driverName: string) => ({ module: withDra({ driverName }) })
const classes = (...names: string[]) => ({ module: withDra({ deviceClasses: names.map((name) => ({ name })) }) })

describeRule('3', {
  judge: judgeAsked,
  accepted: [
    ['Kubernetes 2.0', on(2, 0)],
    ['a cluster of unknown version', { module: withDra({}) }],
    ['no DRA on an old cluster', { module: makeModule(), serverVersion: { major: 1, minor: 20 } }],
    ['several device classes', classes('a', 'b.example.com')],
    ['a driver name of 253 characters', named(text(253))],
  ],
  refused: [
    ['Kubernetes 1.3', on(1, 3), ['spec.dra']],
    ['no driver name', named(''), ['spec.dra.driverName']],
    ['a driver name of 254 characters', named(text(254)), ['spec.dra.driverName']],
    ['an upper-case driver name', named('GPU'), ['spec.dra.driverName']],
    ['a device class that is no name', classes('a_b'), ['spec.dra.deviceClasses[0].name']],
    ['a device class without a name', classes('a', ''), ['spec.dra.deviceClasses[1].name']],
    ['a device class twice', classes('a', 'a'), ['spec.dra.deviceClasses[1].name']],
  ],
  boundary: {
    accepted: ['Kubernetes 1.34', on(1, 34)],
    refused: ['Kubernetes 1.33', on(1, 33), ['spec.dra']],
  },
})

const plugin = (path: string): Module =>
  makeModule({ devicePlugin: { container: { image: 'p:1' }, volumes: [{ name: 'v', hostPath: { path } }] } })
const driver = (path: string): Module => withDra({ volumes: [{ name: 'v', hostPath: { path } }] })
const pluginField = 'spec.devicePlugin.volumes[0].hostPath.path'
const accept = (path: string): Accepted<Module> => [`"${path}"`, plugin(path)]
const refuse = (path: string): Refused<Module> => [`"${path}"`, plugin(path), [pluginField]]

describeRule('4', {
  judge: judgeModule,
  accepted: [
    accept('/dev'),
    ...['/dev/', '/sys/class', '/var/lib/x', '/opt', '/run/y', '/etc/../dev', '//dev'].map(accept),
    ['"/run" of a DRA driver', driver('/run')],
    [
      'volumes that are no folders of the host',
      makeModule({ devicePlugin: { container: { image: 'p:1' }, volumes: [{ name: 'v', emptyDir: {} }] } }),
    ],
  ],
  refused: [
    refuse('/'),
    refuse('/etc'),
    ...['/dev/../etc', 'dev', '', '/opt/../..'].map(refuse),
    ['"/root" of a DRA driver', driver('/root'), ['spec.dra.volumes[0].hostPath.path']],
  ],
  boundary: { accepted: accept('/dev/ious'), refused: refuse('/devious') },
})
