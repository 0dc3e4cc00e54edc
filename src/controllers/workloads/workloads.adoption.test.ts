import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import type { Container, PodSpec } from 'kubernetes-types/core/v1.js'
import { describe, expect, it } from 'vitest'
import { buildModule } from '../../../test/builders/module.ts'
import type { DevicePlugin, Module, ModuleSpec } from '../../api/module.ts'
import { buildObserved } from '../../../test/builders/workloads.ts'
import { decide } from './decide.ts'
import { sameQuantity } from '../../kube/quantity.ts'

const container: DevicePlugin['container'] = {
  image: 'registry.test/plugin:v1',
  env: [{ name: 'EMPTY', value: '' }],
  resources: { limits: { cpu: '1000m', memory: '1024Mi' }, requests: { cpu: 0.5 } },
  volumeMounts: [{ name: 'config', mountPath: '/config', readOnly: false }],
}

function buildPlugin(changes: Partial<DevicePlugin> = {}, spec: Partial<ModuleSpec> = {}): Module {
  const volumes = [{ name: 'config', emptyDir: { sizeLimit: '1024Ki' } }]
  return buildModule({ spec: { devicePlugin: { container, volumes, ...changes }, ...spec } })
}

interface GoMade {
  pod?: Partial<PodSpec>
  container?: Partial<Container>
}

/** The DaemonSet that the Go operator makes of this Module, as the API server stores it: defaulted, quantities rewritten. */
function buildGoMade(changes: GoMade = {}): DaemonSet {
  const labels = { 'kmm.node.kubernetes.io/module.name': 'mod', 'kmm.node.kubernetes.io/role': 'device-plugin' }
  return {
    metadata: { namespace: 'ns', name: 'mod-device-plugin-x7x7x', uid: 'uid-ds', resourceVersion: '5', labels },
    spec: {
      revisionHistoryLimit: 10,
      selector: { matchLabels: labels },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
      template: {
        metadata: { labels, finalizers: ['kmm.node.kubernetes.io/node-labeler'] },
        spec: {
          containers: [
            {
              name: 'device-plugin',
              image: 'registry.test/plugin:v1',
              imagePullPolicy: 'IfNotPresent',
              env: [{ name: 'EMPTY' }],
              resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } },
              securityContext: { privileged: true },
              terminationMessagePath: '/dev/termination-log',
              terminationMessagePolicy: 'File',
              volumeMounts: [
                { name: 'kubelet-device-plugins', mountPath: '/var/lib/kubelet/device-plugins' },
                { name: 'config', mountPath: '/config' },
              ],
              ...changes.container,
            },
          ],
          dnsPolicy: 'ClusterFirst',
          nodeSelector: {
            'kmm.node.kubernetes.io/ns.mod.ready': '',
            'kmm.node.kubernetes.io/ns.mod.device-plugin-target': '',
          },
          priorityClassName: 'system-node-critical',
          restartPolicy: 'Always',
          schedulerName: 'default-scheduler',
          securityContext: {},
          terminationGracePeriodSeconds: 30,
          volumes: [
            {
              name: 'kubelet-device-plugins',
              hostPath: { path: '/var/lib/kubelet/device-plugins', type: 'Directory' },
            },
            { name: 'config', emptyDir: { sizeLimit: '1Mi' } },
          ],
          ...changes.pod,
        },
      },
    },
  }
}

const act = (module: Module, daemonSet: DaemonSet): string[] =>
  decide(buildObserved(module, [daemonSet]), 0).actions.map(({ type }) => type)

describe('a DaemonSet that the Go operator made', () => {
  it('stays as it is, under its generated name and with its account: no pod is replaced', () => {
    expect(act(buildPlugin(), buildGoMade())).toEqual([])
  })

  it('stays with an account that was named', () => {
    const goMade = buildGoMade({ pod: { serviceAccountName: 'plugin', serviceAccount: 'plugin' } })
    expect(act(buildPlugin({ serviceAccountName: 'plugin' }), goMade)).toEqual([])
  })

  const rows: [string, Module, DaemonSet][] = [
    ['another image', buildPlugin({ container: { ...container, image: 'registry.test/plugin:v2' } }), buildGoMade()],
    ['another limit', buildPlugin({ container: { ...container, resources: { limits: { cpu: 2 } } } }), buildGoMade()],
    ['no limit', buildPlugin({ container: { ...container, resources: {} } }), buildGoMade()],
    ['arguments that are gone', buildPlugin(), buildGoMade({ container: { args: ['-v'] } })],
    ['variables that are gone', buildPlugin({ container: { ...container, env: [] } }), buildGoMade()],
    ['tolerations that are gone', buildPlugin(), buildGoMade({ pod: { tolerations: [{ operator: 'Exists' }] } })],
    ['a toleration', buildPlugin({}, { tolerations: [{ operator: 'Exists' }] }), buildGoMade()],
    ['a pull secret that is gone', buildPlugin(), buildGoMade({ pod: { imagePullSecrets: [{ name: 'pull' }] } })],
    ['a volume that is gone', buildPlugin({ volumes: [] }), buildGoMade()],
    [
      'another node selector',
      buildPlugin(),
      buildGoMade({ pod: { nodeSelector: { 'kmm.node.kubernetes.io/ns.mod.ready': '' } } }),
    ],
    ['no token', buildPlugin({ automountServiceAccountToken: false }), buildGoMade()],
    ['an account', buildPlugin({ serviceAccountName: 'plugin' }), buildGoMade()],
    [
      'an init container that is gone',
      buildPlugin(),
      buildGoMade({ pod: { initContainers: [{ name: 'device-plugin-init', image: 'a' }] } }),
    ],
  ]
  it.each(rows)('is replaced for a real difference: %s', (_title, module, goMade) => {
    expect(act(module, goMade)).toEqual(['replaceDaemonSet'])
  })
})

describe('two quantities', () => {
  const rows: [unknown, unknown, boolean][] = [
    ['1', '1000m', true],
    [1, '1', true],
    [0.3, '300m', true],
    ['1Gi', '1024Mi', true],
    ['1G', '1Gi', false],
    ['1e3', '1k', true],
    ['.5', '500m', true],
    ['1.', '1', true],
    ['1Ki', '1024', true],
    ['100m', '101m', false],
    ['', '', true],
    ['', '0', false],
    ['what', 'what', true],
    ['what', '1', false],
    [undefined, undefined, true],
    [undefined, '1', false],
    ['1Zi', '1Zi', true],
  ]
  it.each(rows)('%s and %s are the same amount: %s', (left, right, expected) => {
    expect([sameQuantity(left, right), sameQuantity(right, left)]).toEqual([expected, expected])
  })
})
