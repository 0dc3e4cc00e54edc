import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeBuildah } from '../../../test/stand-in/buildah.ts'
import { hasBuildah, pushShellImage } from '../../../test/stand-in/shell-image.ts'
import { parseBuildReport } from '../../image/build-report.ts'
import { configMaps, events, pods, secrets } from '../../kube/core-resources.ts'
import { parseReference } from '../../oci/reference.ts'
import { createRegistry } from '../../oci/registry.ts'
import { type EmbeddedSandbox, startSandbox } from '../sandbox.ts'

const namespace = 'default'
let folder: string
let standIn: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-stand-in-'))
  standIn = await writeBuildah(folder)
})
afterAll(() => rmSync(folder, { recursive: true }))

function buildPod(sandbox: EmbeddedSandbox, name: string, args: readonly string[]): Pod {
  return {
    metadata: { name, namespace },
    spec: {
      restartPolicy: 'Never',
      volumes: [
        { name: 'dockerfile', configMap: { name, items: [{ key: 'dockerfile', path: 'Dockerfile' }] } },
        { name: 'modules', hostPath: { path: '/lib/modules', type: 'Directory' } },
        { name: 'secret', secret: { secretName: 'token' } },
        { name: 'tmp', emptyDir: {} },
        { name: 'containers', emptyDir: {} },
      ],
      containers: [
        {
          name: 'build',
          image: sandbox.builderImage,
          terminationMessagePolicy: 'FallbackToLogsOnError',
          args: ['image', 'build', '--dockerfile', '/workspace/Dockerfile', '--base-insecure', ...args],
          volumeMounts: [
            { name: 'dockerfile', mountPath: '/workspace', readOnly: true },
            { name: 'modules', mountPath: '/host/lib/modules', readOnly: true },
            { name: 'secret', mountPath: '/run/secrets/token', readOnly: true },
            { name: 'tmp', mountPath: '/tmp' },
            { name: 'containers', mountPath: '/var/lib/containers' },
          ],
        },
      ],
    },
  }
}

const seesAll = ['--volume', '/host/lib/modules', '--volume', '/run/secrets/token']

async function start(buildahProgram?: string): Promise<EmbeddedSandbox> {
  const sandbox = await startSandbox({
    nodes: [{ name: 'n1', kernel: '6.1.0-56-amd64' }],
    ...(buildahProgram === undefined ? {} : { buildahProgram }),
  })
  await sandbox.client.create(secrets, { metadata: { name: 'token', namespace }, stringData: { key: 'open sesame' } })
  return sandbox
}

const giveDockerfile = (sandbox: EmbeddedSandbox, name: string, text: string, key = 'dockerfile') =>
  sandbox.client.create(configMaps, { metadata: { name, namespace }, data: { [key]: text } })

async function ended(sandbox: EmbeddedSandbox, name: string) {
  const find = async () => {
    const pod = await sandbox.client.get(pods, { namespace, name })
    return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed' ? pod : undefined
  }
  const pod = await expect.poll(find, { timeout: 60_000 }).toBeDefined().then(find)
  const terminated = pod?.status?.containerStatuses?.[0]?.state?.terminated
  return {
    phase: pod?.status?.phase,
    message: terminated?.message ?? '',
    report: parseBuildReport(terminated?.message ?? ''),
  }
}

const everyProgram = [
  { name: 'the stand-in for buildah', program: () => standIn, isThere: true },
  {
    name: hasBuildah ? 'buildah' : 'buildah, which is not installed here',
    program: () => undefined,
    isThere: hasBuildah,
  },
]

for (const { name, program, isThere } of everyProgram)
  describe.skipIf(!isThere)(`a build pod of the sandbox with ${name}`, () => {
    it('builds with what the pod mounts, and pushes', async () => {
      const sandbox = await start(program())
      try {
        const base = await pushShellImage(sandbox.registry, 'base/shell')
        const steps = 'RUN grep -q sesame /run/secrets/token/key && test -d /host/lib/modules'
        await giveDockerfile(
          sandbox,
          'b',
          `FROM ${base} AS b\n${steps}\nFROM scratch\nCOPY --from=b /opt/prebuilt.ko /opt/a.ko\n`,
        )
        const to = `${sandbox.registry.address}/kmods/made:1`
        await sandbox.client.create(pods, buildPod(sandbox, 'b', ['--to', to, '--to-insecure', ...seesAll]))
        const { phase, report } = await ended(sandbox, 'b')
        expect({ phase, reason: report?.reason }).toEqual({ phase: 'Succeeded', reason: 'Built' })
        const registry = createRegistry({ settings: {}, tls: { insecure: true, insecureSkipTLSVerify: false } })
        expect((await registry.headManifest(parseReference(to))).digest).toBe(report?.digest)
        await registry.close()
      } finally {
        await sandbox.stop()
      }
    })
  })

describe('a build pod of the sandbox', () => {
  let sandbox: EmbeddedSandbox
  beforeAll(async () => {
    sandbox = await start('/nowhere/buildah')
  })
  afterAll(() => sandbox.stop())

  it('fails with a report that says so where there is no buildah', async () => {
    await giveDockerfile(sandbox, 'none', 'FROM scratch\n')
    await sandbox.client.create(pods, buildPod(sandbox, 'none', ['--no-push']))
    const { phase, report } = await ended(sandbox, 'none')
    expect({ phase, reason: report?.reason }).toEqual({ phase: 'Failed', reason: 'BuilderUnavailable' })
    expect(report?.message).toContain('/nowhere/buildah')
  })

  it('waits for its ConfigMap and its key, and an event says for which', async () => {
    await sandbox.client.create(pods, buildPod(sandbox, 'late', ['--no-push']))
    const messages = async () => {
      const { items } = await sandbox.client.list(events, { namespace })
      return items
        .filter(({ reason, involvedObject }) => reason === 'FailedMount' && involvedObject.name === 'late')
        .map(({ message }) => message)
    }
    await expect
      .poll(messages, { timeout: 10_000 })
      .toContain('MountVolume.SetUp failed for volume "dockerfile" : configmap "late" not found')
    const { status } = await sandbox.client.get(pods, { namespace, name: 'late' })
    expect(status?.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'ContainerCreating' } })
    await giveDockerfile(sandbox, 'late', 'FROM scratch\n', 'Dockerfile')
    const key =
      'MountVolume.SetUp failed for volume "dockerfile" : configmap references non-existent config key: dockerfile'
    await expect.poll(messages, { timeout: 10_000 }).toContain(key)
    await sandbox.client.delete(configMaps, { namespace, name: 'late' })
    await giveDockerfile(sandbox, 'late', 'FROM scratch\n')
    expect((await ended(sandbox, 'late')).phase).toBe('Failed')
  })

  it('has the end of its log for a message where it failed without one', async () => {
    await giveDockerfile(sandbox, 'wordless', 'FROM scratch\n')
    const pod = buildPod(sandbox, 'wordless', [])
    const [container] = pod.spec?.containers ?? []
    if (container !== undefined) container.args = ['kmod', 'reload', 'x'.repeat(3000)]
    await sandbox.client.create(pods, pod)
    const { phase, message } = await ended(sandbox, 'wordless')
    expect(phase).toBe('Failed')
    expect(message).toContain('The command kmod "reload" is not known')
  })
})
