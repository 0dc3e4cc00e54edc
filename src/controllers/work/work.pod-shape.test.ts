import { describe, expect, it } from 'vitest'
import { buildModuleConfig } from '../../../test/builders/node-modules-config.ts'
import { buildWorker } from '../../../test/builders/pod.ts'
import { loadIntent, unloadIntent } from '../../../test/builders/work.ts'
import type { ModprobeSpec } from '../../api/module.ts'
import { alternativeWorkerPodName, workerPodName } from './worker-name.ts'
import type { WorkerIntent } from './worker-intent.ts'

const withModprobe = (modprobe: Partial<ModprobeSpec>) => ({
  config: buildModuleConfig({ modprobe: { moduleName: 'mod', dirName: '/opt', ...modprobe } }),
})
const order = withModprobe({ modulesLoadingOrder: ['mod', 'dep_a', 'dep_b'] })
const firmware = withModprobe({ firmwarePath: '/firmware' })

const containerOf = (intent: WorkerIntent) => buildWorker(intent).spec?.containers[0]
const volumeNames = (intent: WorkerIntent) => buildWorker(intent).spec?.volumes?.map(({ name }) => name)
const mountsOf = (intent: WorkerIntent) =>
  containerOf(intent)?.volumeMounts?.map(
    ({ name, mountPath, readOnly }) => `${name} ${mountPath}${readOnly ? ' ro' : ''}`,
  )

describe('a worker pod', () => {
  const pod = buildWorker(loadIntent({ version: '2' }))

  it('is named, labelled and owned as upstream has it, without a finalizer', () => {
    expect(pod.metadata).toMatchObject({
      name: 'kmm-worker-n1-mod',
      namespace: 'ns',
      labels: {
        'app.kubernetes.io/name': 'kmm',
        'app.kubernetes.io/component': 'worker',
        'app.kubernetes.io/part-of': 'kmm',
        'kmm.node.kubernetes.io/module.name': 'mod',
        'kmm.node.kubernetes.io/module.namespace': 'ns',
        'kmm.node.kubernetes.io/worker-action': 'Load',
      },
      ownerReferences: [
        {
          apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
          kind: 'NodeModulesConfig',
          name: 'n1',
          uid: 'uid-config-n1',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    })
    expect(pod.metadata).not.toHaveProperty('finalizers')
  })

  it('carries its configuration in annotations, keys in alphabetical order', () => {
    expect(pod.metadata?.annotations).toMatchObject({
      'kmm.node.kubernetes.io/worker-config':
        'containerImage: registry.test/mod:v1\nimagePullPolicy: ""\ninsecurePull: false\nkernelVersion: 6.1.0-1-amd64\nmodprobe:\n  dirName: /opt\n  moduleName: mod\n',
      'kmm.node.kubernetes.io/worker-module-version': '2',
      'kmm.node.kubernetes.io/worker-hash': expect.stringMatching(/^[0-9a-f]{64}$/),
      'kmm.node.kubernetes.io/worker-tolerations': expect.stringMatching(/^- effect: NoSchedule\n {2}key: node/),
    })
  })

  it('is bound to its node, tolerates everything, and has no token', () => {
    expect(pod.spec).toMatchObject({
      nodeName: 'n1',
      restartPolicy: 'OnFailure',
      serviceAccountName: 'default',
      automountServiceAccountToken: false,
      tolerations: [{ operator: 'Exists' }],
    })
    expect(pod.spec).not.toHaveProperty('imagePullSecrets')
    expect(pod.spec).not.toHaveProperty('initContainers')
  })

  it("mounts the host's modules read-only, and writes only into its own folders and the cache", () => {
    expect(mountsOf(loadIntent())).toEqual([
      'config /etc/kmm-worker ro',
      'lib-modules /lib/modules ro',
      'lib-modules /host/lib/modules ro',
      'tmp /tmp',
      'cache /var/lib/kmm/cache',
    ])
    expect(pod.spec?.volumes).toEqual([
      expect.objectContaining({ name: 'config' }),
      { name: 'lib-modules', hostPath: { path: '/lib/modules', type: 'Directory' } },
      { name: 'tmp', emptyDir: {} },
      { name: 'cache', hostPath: { path: '/var/lib/kmm/cache', type: 'DirectoryOrCreate' } },
    ])
  })

  it('has one capability and nothing else', () => {
    expect(containerOf(loadIntent())).toMatchObject({
      name: 'worker',
      image: 'kmm-worker:test',
      args: ['kmod', 'load', '/etc/kmm-worker/config.yaml'],
      securityContext: {
        runAsUser: 0,
        seLinuxOptions: { type: 'spc_t' },
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { add: ['SYS_MODULE'], drop: ['ALL'] },
      },
    })
  })

  it('says "Unload" and unloads', () => {
    const unload = buildWorker(unloadIntent())
    expect(unload.metadata?.labels).toMatchObject({ 'kmm.node.kubernetes.io/worker-action': 'Unload' })
    expect(unload.spec?.containers[0]?.args).toEqual(['kmod', 'unload', '/etc/kmm-worker/config.yaml'])
  })

  it('gets pull secrets as optional volumes, never in an annotation', () => {
    const { metadata, spec } = buildWorker(loadIntent({ imageRepoSecret: { name: 'a' } }), { pullSecrets: ['a', 'b'] })
    expect(spec?.imagePullSecrets).toEqual([{ name: 'a' }, { name: 'b' }])
    const sources = spec?.volumes?.[0]?.projected?.sources?.flatMap(({ secret }) => secret ?? [])
    expect(sources?.map(({ name, optional, items }) => [name, optional, items?.[0]?.path])).toEqual([
      ['a', true, 'pull-secrets/0/.dockerconfigjson'],
      ['a', true, 'pull-secrets/0/.dockercfg'],
      ['b', true, 'pull-secrets/1/.dockerconfigjson'],
      ['b', true, 'pull-secrets/1/.dockercfg'],
    ])
    expect(Object.keys(metadata?.annotations ?? {})).not.toContain('kmm.node.kubernetes.io/pull-secrets')
  })

  it('gets the settings of registries where there are any', () => {
    const { metadata } = buildWorker(loadIntent(), { settings: { registrySettings: 'proxy: {}\n' } })
    expect(metadata?.annotations).toMatchObject({ 'kmm.node.kubernetes.io/worker-registry': 'proxy: {}\n' })
    expect(pod.metadata?.annotations).not.toHaveProperty(['kmm.node.kubernetes.io/worker-registry'])
  })

  it("runs as nobody's account outside the Module's namespace", () => {
    const intent = { ...unloadIntent({ serviceAccountName: 'loader' }), podNamespace: 'kmm-operator-system' }
    const { metadata, spec } = buildWorker(intent)
    expect([metadata?.namespace, spec?.serviceAccountName]).toEqual(['kmm-operator-system', 'default'])
  })
})

describe('a loading order', () => {
  it('is mounted for a load, as a file that modprobe reads before modules.softdep of the image', () => {
    const { metadata, spec } = buildWorker(loadIntent(order))
    const volume = spec?.volumes?.find(({ name }) => name === 'modules-order')
    const [file] = volume?.downwardAPI?.items ?? []
    const path = file?.path ?? ''
    expect([path.endsWith('.conf'), path < 'modules.softdep']).toEqual([true, true])
    expect(metadata?.annotations).toMatchObject({
      'kmm.node.kubernetes.io/modules-order': 'softdep mod pre: dep_a\nsoftdep dep_a pre: dep_b\n',
    })
    expect(mountsOf(loadIntent(order))).toContain('modules-order /etc/modprobe.d ro')
  })

  it('is not there for an unload', () => {
    expect(volumeNames(unloadIntent(order))).not.toContain('modules-order')
  })
})

describe('firmware', () => {
  it('makes the load privileged, as a user that has the rights', () => {
    expect(containerOf(loadIntent(firmware))?.securityContext).toEqual({
      runAsUser: 0,
      seLinuxOptions: { type: 'spc_t' },
      privileged: true,
    })
  })

  it('does not make the unload privileged', () => {
    expect(containerOf(unloadIntent(firmware))?.securityContext).not.toHaveProperty('privileged')
  })

  it.each([
    ['load', loadIntent(firmware)],
    ['unload', unloadIntent(firmware)],
  ])('has its folder on the node mounted and named for the %s', (_action, intent) => {
    expect(mountsOf(intent)).toContain('lib-firmware /lib/firmware')
    expect(containerOf(intent)?.args?.slice(3)).toEqual(['--firmware-path', '/lib/firmware'])
  })
})

describe('the name of a worker pod', () => {
  const node = `node-${'n'.repeat(230)}.example`

  it('is cut and hashed where it would be too long, differently for each Module', () => {
    const names = ['module-a', 'module-b'].map((module) => workerPodName(node, module))
    expect(names.map((name) => name.length <= 253)).toEqual([true, true])
    expect(names[0]).not.toBe(names[1])
  })

  it.each([240, 241, 242, 243, 244])('is valid wherever it is cut (%s)', (length) => {
    const dotted = `${'a'.repeat(length - 'kmm-worker-'.length)}.b-c.${'b'.repeat(20)}`
    for (const name of [workerPodName(dotted, 'mod'), alternativeWorkerPodName(dotted, 'ns', 'mod')]) {
      expect(name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/)
      expect(name.length).toBeLessThanOrEqual(253)
    }
  })

  it('has an alternative for each namespace', () => {
    const names = ['ns', 'other'].map((namespace) => alternativeWorkerPodName('n1', namespace, 'mod'))
    expect(new Set([...names, workerPodName('n1', 'mod')]).size).toBe(3)
  })
})
