import type { Pod } from 'kubernetes-types/core/v1.js'
import { describe, expect, it } from 'vitest'
import { jobConfig, jobSettings, jobSpec, makeBuildPod, makeSignPod } from '../../../../test/builders/job.ts'
import type { Build } from '../../../api/module.ts'
import { buildBuildPod } from './build-pod.ts'

const withBuild = (build: Partial<Build>) => ({
  spec: { ...jobSpec, build: { dockerfileConfigMap: { name: 'recipe' }, ...build } },
})
const containerOf = (pod: Pod) => pod.spec!.containers[0]!
const mountsOf = (pod: Pod) =>
  containerOf(pod).volumeMounts?.map(({ name, mountPath, readOnly }) => `${name} ${mountPath}${readOnly ? ' ro' : ''}`)

/** What follows a flag, each time that it is given. */
function valuesOf(pod: Pod, flag: string): string[] {
  const { args = [] } = containerOf(pod)
  return args.flatMap((arg, at) => (arg === flag ? [args[at + 1] ?? ''] : []))
}

describe.each([
  ['BuildImage', makeBuildPod, 'build'],
  ['SignImage', makeSignPod, 'sign'],
] as const)('a pod of the kind %s', (type, make, name) => {
  it('is labelled, annotated and owned, without a finalizer', () => {
    const { metadata } = make({ attempt: 2 })
    expect(metadata).toEqual({
      name: expect.stringMatching(`^mod-${name}-6-1-0-1-amd64-[0-9a-f]{8}$`),
      namespace: 'ns',
      labels: {
        'app.kubernetes.io/name': 'kmm',
        'app.kubernetes.io/part-of': 'kmm',
        'app.kubernetes.io/component': type,
        'kmm.node.kubernetes.io/module.name': 'mod',
        'kmm.node.kubernetes.io/resource-type': type,
        'kmm.node.kubernetes.io/target-kernel': '6-1-0-1-amd64',
      },
      annotations: {
        'kmm.node.kubernetes.io/last-hash': 'h'.repeat(64),
        'kmm.node.kubernetes.io/job-image': 'registry.test/mod:v1',
        'kmm.node.kubernetes.io/job-attempt': '2',
        ...(type === 'BuildImage' ? { dockerfile: 'FROM scratch' } : {}),
      },
      ownerReferences: [
        {
          apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
          kind: 'ModuleImagesConfig',
          name: 'mod',
          uid: 'uid-images',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    })
  })

  it('runs once, without a token for the API server, and says its last words', () => {
    const { spec } = make()
    expect(spec).toMatchObject({ restartPolicy: 'Never', automountServiceAccountToken: false })
    expect(spec?.containers).toHaveLength(1)
    expect(spec?.containers[0]).toMatchObject({ name, terminationMessagePolicy: 'FallbackToLogsOnError' })
    expect(spec?.nodeSelector).toEqual({ 'kubernetes.io/os': 'linux' })
  })

  it('tolerates what the Module tolerates', () => {
    const tolerations = [{ key: 'a', operator: 'Exists' }]
    expect(make({ config: { ...jobConfig, spec: { tolerations } } }).spec?.tolerations).toEqual(tolerations)
    expect(make().spec).not.toHaveProperty('tolerations')
  })

  it('has pull secrets, registry settings and namespace where a worker has them', () => {
    const pod = make({}, ['own', 'of-account'])
    expect(pod.spec?.imagePullSecrets).toEqual([{ name: 'own' }, { name: 'of-account' }])
    expect(mountsOf(pod)).toContain('settings /etc/kmm-worker ro')
    const settings = pod.spec?.volumes?.find((volume) => volume.name === 'settings')
    const secrets = settings?.projected?.sources?.flatMap(({ secret }) => secret ?? [])
    expect(secrets?.map((secret) => `${secret.name} ${secret.items?.[0]?.path} ${secret.optional}`)).toEqual([
      'own pull-secrets/0/.dockerconfigjson true',
      'own pull-secrets/0/.dockercfg true',
      'of-account pull-secrets/1/.dockerconfigjson true',
      'of-account pull-secrets/1/.dockercfg true',
    ])
    expect(settings?.projected?.sources?.[0]?.downwardAPI?.items).toEqual([
      {
        path: 'registry.yaml',
        fieldRef: { fieldPath: "metadata.annotations['kmm.node.kubernetes.io/worker-registry']" },
      },
      { path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } },
    ])
  })

  it('mounts each path and names each volume once', () => {
    const pod = make({}, ['own'])
    const paths = containerOf(pod).volumeMounts?.map(({ mountPath }) => mountPath) ?? []
    const names = pod.spec?.volumes?.map((volume) => volume.name) ?? []
    expect(new Set(paths).size).toBe(paths.length)
    expect(new Set(names).size).toBe(names.length)
    expect(new Set(containerOf(pod).volumeMounts?.map((mount) => mount.name))).toEqual(new Set(names))
  })
})

describe('a build pod', () => {
  it('runs the builder on the Dockerfile of the ConfigMap', () => {
    const pod = makeBuildPod()
    expect(containerOf(pod)).toMatchObject({ image: 'builder:test', resources: { requests: { memory: '1Gi' } } })
    expect(containerOf(pod).args?.slice(0, 6)).toEqual([
      'image',
      'build',
      '--dockerfile',
      '/workspace/Dockerfile',
      '--to',
      'registry.test/mod:v1',
    ])
    expect(pod.metadata?.annotations?.['dockerfile']).toBe('FROM scratch')
    expect(pod.spec?.volumes?.find(({ name }) => name === 'dockerfile')?.downwardAPI?.items).toEqual([
      { path: 'Dockerfile', fieldRef: { fieldPath: "metadata.annotations['dockerfile']" } },
    ])
  })

  it('mounts the Dockerfile, the modules of the host, and room to work', () => {
    expect(mountsOf(makeBuildPod())).toEqual([
      'settings /etc/kmm-worker ro',
      'dockerfile /workspace ro',
      'lib-modules /host/lib/modules ro',
      'tmp /tmp',
      'containers /var/lib/containers',
    ])
  })

  it('gives the user’s arguments, and the operator’s own with the Module’s name', () => {
    const buildArgs = [
      { name: 'A', value: 'x=1 $y $(z) $$' },
      { name: 'MOD_NAME', value: 'mine' },
    ]
    const pod = makeBuildPod({ ...withBuild({ buildArgs }), module: { namespace: 'ns', name: 'the-module' } })
    expect(valuesOf(pod, '--build-arg')).toEqual([
      // The kubelet makes one dollar sign of two.
      'A=x=1 $$y $$(z) $$$$',
      'MOD_NAME=the-module',
      'KERNEL_FULL_VERSION=6.1.0-1-amd64',
      'KERNEL_VERSION=6.1.0-1-amd64',
      'MOD_NAMESPACE=ns',
    ])
  })

  it('shows each secret once, at its name, also where it is the pull secret or has a long name', () => {
    const long = `${'s'.repeat(100)}.example`
    const secrets = [{ name: 'pull' }, { name: 'b' }, { name: 'b' }, { name: long }, {}]
    const pod = makeBuildPod(withBuild({ secrets }), ['pull'])
    const paths = ['/run/secrets/b', '/run/secrets/pull', `/run/secrets/${long}`]
    expect(mountsOf(pod)).toEqual(expect.arrayContaining(paths.map((path, at) => `build-secret-${at} ${path} ro`)))
    expect(valuesOf(pod, '--volume')).toEqual(['/host/lib/modules', ...paths])
  })

  it('reaches registries as the Module says, each as it is meant', () => {
    const pod = makeBuildPod({
      spec: {
        ...jobSpec,
        registryTLS: { insecure: true },
        build: { dockerfileConfigMap: { name: 'recipe' }, baseImageRegistryTLS: { insecureSkipTLSVerify: true } },
      },
    })
    const flags = containerOf(pod).args?.filter((arg) => arg.includes('insecure') || arg.includes('skip'))
    expect(flags).toEqual(['--to-insecure', '--base-skip-tls-verify'])
  })

  it.each([
    ['a build', makeBuildPod({ target: undefined })],
    ['a signing', makeSignPod({ isPushed: false })],
  ])('that is not to push says so, also to who reads what became of it: %s', (_what, pod) => {
    expect(containerOf(pod).args).toContain('--no-push')
    expect(containerOf(pod).args).not.toContain('--to')
    expect(pod.metadata?.annotations).toMatchObject({ 'kmm.node.kubernetes.io/job-no-push': 'true' })
  })

  it('runs on the architecture that the image is for, unless the Module says where to build', () => {
    const os = { 'kubernetes.io/os': 'linux' }
    expect(makeBuildPod({ architecture: 'arm64' }).spec?.nodeSelector).toEqual({ ...os, 'kubernetes.io/arch': 'arm64' })
    const chosen = makeBuildPod({ architecture: 'arm64', ...withBuild({ selector: { builder: 'yes' } }) })
    expect(chosen.spec?.nodeSelector).toEqual({ ...os, builder: 'yes' })
  })

  it('carries the operator’s registry settings', () => {
    const settings = { ...jobSettings, registrySettings: 'mirrors: []' }
    const intent = {
      type: 'BuildImage' as const,
      config: jobConfig,
      spec: jobSpec,
      module: { namespace: 'ns', name: 'mod' },
      hash: '',
      attempt: 1,
      architecture: '',
      target: jobSpec.image,
      dockerfile: 'FROM scratch',
    }
    expect(buildBuildPod(intent, settings, []).metadata?.annotations).toMatchObject({
      'kmm.node.kubernetes.io/worker-registry': 'mirrors: []',
    })
    const none = { ...jobSettings, build: { image: '', resources: {} } }
    expect(() => buildBuildPod(intent, none, [])).toThrow(/set job\.build\.image.*RELATED_IMAGE_BUILD/)
  })

  it('cannot be made for an image that is named by its digest', () => {
    const target = `registry.test/mod@sha256:${'a'.repeat(64)}`
    expect(() => makeBuildPod({ target })).toThrow(/give containerImage a tag instead/)
  })
})

describe('a sign pod', () => {
  it('signs the files of one image into another with the worker’s program', () => {
    const pod = makeSignPod()
    expect(containerOf(pod)).toMatchObject({
      image: 'worker:test',
      resources: { limits: { memory: '256Mi' } },
      args: [
        'image',
        'sign',
        '--from',
        `registry.test/mod@sha256:${'a'.repeat(64)}`,
        '--to',
        'registry.test/mod:v1',
        '--file',
        '/opt/lib/modules/6.1.0-1-amd64/a.ko',
        '--dir-name',
        '/opt',
      ],
    })
  })

  it('says how either registry may be reached, and for which architecture', () => {
    const source = { reference: 'other.test/mod@sha256:1', tls: { insecure: true, insecureSkipTLSVerify: true } }
    const spec = { ...jobSpec, registryTLS: { insecureSkipTLSVerify: true } }
    expect(containerOf(makeSignPod({ source, spec, architecture: 'arm64' })).args?.slice(-6)).toEqual([
      '/opt',
      '--architecture',
      'arm64',
      '--from-insecure',
      '--from-skip-tls-verify',
      '--to-skip-tls-verify',
    ])
  })

  it('has no privileges', () => {
    expect(containerOf(makeSignPod()).securityContext).toEqual({
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    })
    expect(mountsOf(makeSignPod())).toEqual([
      'settings /etc/kmm-worker ro',
      'signing-key /run/secrets/kmm-sign ro',
      'tmp /tmp',
    ])
  })

  it('sees only the entries that it needs, also where key and certificate are in one secret', () => {
    const sign = { keySecret: { name: 'both' }, certSecret: { name: 'both' } }
    const pod = makeSignPod({ spec: { ...jobSpec, sign } })
    const volume = pod.spec?.volumes?.find(({ name }) => name === 'signing-key')
    const sources = volume?.projected?.sources?.map(({ secret }) => `${secret?.name} ${secret?.items?.[0]?.path}`)
    expect(sources).toEqual(['both key/key', 'both key/passphrase', 'both cert/cert'])
    expect(volume?.projected?.sources?.map(({ secret }) => secret?.optional ?? false)).toEqual([false, true, false])
  })
})
