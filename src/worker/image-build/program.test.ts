import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { writeBuildah } from '../../../test/stand-in/buildah.ts'
import { hasBuildah, pushShellImage } from '../../../test/stand-in/shell-image.ts'
import { type BuildReport, parseBuildReport } from '../../image/build-report.ts'
import { parseReference } from '../../oci/reference.ts'
import { createRegistry } from '../../oci/registry.ts'
import { type SandboxRegistry, startRegistry } from '../../sandbox/registry/registry.ts'
import { runImageBuild } from './program.ts'

const everything = { kind: 'none' } as const
const users = [
  { username: 'writer', password: 'w' },
  { username: 'reader', password: 'r', actions: ['pull'] as const },
]

let programs: string
let standIn: string
let registry: SandboxRegistry
let base: string
let root: string
let lines: string[]

beforeAll(async () => {
  programs = mkdtempSync(join(tmpdir(), 'kmm-stand-in-'))
  standIn = await writeBuildah(programs)
  registry = await startRegistry()
  base = await pushShellImage(registry, 'base/shell')
})
afterAll(async () => {
  rmSync(programs, { recursive: true })
  await registry.stop()
})
beforeEach(() => {
  registry.setAuth(everything)
  root = mkdtempSync(join(tmpdir(), 'kmm-pod-'))
  lines = []
  mkdirSync(join(root, 'dev'))
  write('run/secrets/token/key', 'open sesame')
  write('host/lib/modules/6.1.0/modules.dep', '')
})
afterEach(() => rmSync(root, { recursive: true }))

function write(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
}

function giveCredentials(...pairs: [string, string][]): void {
  for (const [index, [key, user]] of pairs.entries()) {
    const auths = { [key]: { auth: Buffer.from(user).toString('base64') } }
    write(`etc/kmm-worker/pull-secrets/${index}/.dockerconfigjson`, JSON.stringify({ auths }))
  }
}

interface Run {
  flags?: readonly string[]
  signal?: AbortSignal
}

async function build(program: string, dockerfile: string, { flags, signal }: Run = {}) {
  write('workspace/Dockerfile', dockerfile.replaceAll('@', registry.address))
  const volumes = ['--volume', '/run/secrets/token', '--volume', '/host/lib/modules']
  const target = flags ?? ['--to', `${registry.address}/kmods/made:1`, '--to-insecure', '--base-insecure']
  const argv = ['--dockerfile', '/workspace/Dockerfile', ...volumes, ...target]
  const status = await runImageBuild(argv, {
    host: { root, buildahPath: program, path: process.env['PATH'] ?? '' },
    temporaryFolder: '/tmp',
    log: (line) => void lines.push(line),
    signal: signal ?? new AbortController().signal,
    graceMs: 500,
  })
  const file = join(root, 'dev/termination-log')
  const report = parseBuildReport(existsSync(file) ? readFileSync(file, 'utf8') : '') as BuildReport
  for (const folder of ['tmp', 'var/lib/containers'])
    if (existsSync(join(root, folder))) expect(readdirSync(join(root, folder))).toEqual([])
  return { status, report }
}

const twoStages = `ARG BASE
FROM \${BASE} AS first
ARG WORD
RUN grep -q "$WORD" /run/secrets/token/key && test -f /host/lib/modules/6.1.0/modules.dep
FROM scratch
COPY --from=first /opt/prebuilt.ko /opt/lib/modules/6.1.0/made.ko
`

const everyProgram = [
  { name: 'the stand-in for buildah', program: () => standIn, isThere: true },
  {
    name: hasBuildah ? 'buildah' : 'buildah, which is not installed here',
    program: () => 'buildah',
    isThere: hasBuildah,
  },
]

for (const { name, program, isThere } of everyProgram)
  describe.skipIf(!isThere)(`a build pod with ${name}`, () => {
    it('builds in stages with arguments and a secret, pushes, and reports the digest of what is there', async () => {
      const to = `${registry.address}/kmods/made:1`
      const options = ['--build-arg', `BASE=${base}`, '--build-arg', 'WORD=sesame', '--label', 'maker=us']
      const flags = ['--to', to, '--to-insecure', '--base-insecure', ...options]
      const { status, report } = await build(program(), twoStages, { flags })
      const client = createRegistry({ settings: {}, tls: { insecure: true, insecureSkipTLSVerify: false } })
      const image = await client.resolveImage(parseReference(to), { os: 'linux', architecture: 'amd64' })
      expect({ status, report }).toEqual({
        status: 0,
        report: { v: 1, outcome: 'ok', reason: 'Built', message: `built and pushed ${to}`, digest: image.digest },
      })
      expect((await client.readConfig(parseReference(to), image)).labels).toMatchObject({ maker: 'us' })
      await client.close()
      expect(lines.join('\n')).not.toContain('open sesame')
    })

    it('only builds where it is not to push', async () => {
      const before = registry.requests.length
      const { report } = await build(program(), 'FROM scratch\n', { flags: ['--no-push'] })
      expect(report).toEqual({ v: 1, outcome: 'ok', reason: 'Built', message: 'built; nothing was pushed' })
      expect(registry.requests.length).toBe(before)
    })

    it.each([
      [
        'a step that fails',
        'FROM @/base/shell:1\nRUN echo no rule && false\n',
        'BuildFailed',
        /^the step "RUN echo no rule && false" of the Dockerfile ended with exit status 1; its last words: no rule$/,
      ],
      [
        'no shell for a step',
        'FROM scratch\nRUN true\n',
        'BuildFailed',
        /fork\/exec \/bin\/sh: no such file or directory/,
      ],
      [
        'an unknown instruction',
        'FROM scratch\nMAKE it\n',
        'BuildFailed',
        /^the step "MAKE " of the Dockerfile failed: Build error: Unknown instruction: "MAKE"$/,
      ],
      ['no FROM', 'RUN true\n', 'BuildFailed', /^the Dockerfile is not valid: no FROM statement found/],
      [
        'a FROM without a value',
        'ARG BASE\nFROM ${BASE}\nRUN true\n',
        'BuildFailed',
        /^the Dockerfile is not valid: .*no FROM statement found/,
      ],
      [
        'nothing to copy',
        'FROM scratch\nCOPY made.ko /opt/\n',
        'BuildFailed',
        /^the step "COPY made.ko \/opt\/" of the Dockerfile failed: nothing to copy: "\/made.ko": no such file or directory$/,
      ],
      [
        'a base image that is missing',
        'FROM @/base/none:1\n',
        'ImageNotFound',
        /^the base image 127\S+\/base\/none:1 is not in its registry/,
      ],
      [
        'a base image that is none',
        'FROM @/Base/none:1\n',
        'ReferenceInvalid',
        /^the Dockerfile names an image that is none/,
      ],
    ])('names %s', async (_what, dockerfile, reason, message) => {
      const { status, report } = await build(program(), dockerfile)
      expect({ status, outcome: report.outcome, reason: report.reason }).toEqual({
        status: 1,
        outcome: 'failed',
        reason,
      })
      expect(report.message).toMatch(message)
      expect(report.log).toContain('Error: ')
    })

    it('speaks plain HTTP only where that is allowed, for pulls and for the push apart', async () => {
      const to = ['--to', `${registry.address}/kmods/made:1`]
      const pull = await build(program(), `FROM ${base}\n`, { flags: [...to, '--to-insecure'] })
      expect(pull.report).toMatchObject({ reason: 'RegistryUnreachable' })
      expect(pull.report.message).toContain('http: server gave HTTP response to HTTPS client')
      const push = await build(program(), `FROM ${base}\n`, { flags: [...to, '--base-insecure'] })
      expect(push.report).toMatchObject({ reason: 'RegistryUnreachable' })
      expect(push.report.message).toContain('registryTLS')
    })

    it('finds the credentials of each image, by repository, and tries the next where one is refused', async () => {
      registry.setAuth({ kind: 'basic', users: [...users] })
      const none = await build(program(), `FROM ${base}\n`)
      expect(none.report).toMatchObject({ reason: 'RegistryUnauthorized' })
      expect(none.report.message).toMatch(/^the registry refuses the base image 127/)
      giveCredentials([registry.address, 'reader:r'])
      const reader = await build(program(), `FROM ${base}\n`)
      expect(reader.report).toMatchObject({ reason: 'RegistryUnauthorized' })
      expect(reader.report.message).toMatch(/^the registry refuses the push/)
      giveCredentials(
        [`${registry.address}/base`, 'reader:r'],
        [registry.address, 'reader:x'],
        [registry.address, 'writer:w'],
      )
      expect((await build(program(), `FROM ${base}\n`)).report).toMatchObject({ reason: 'Built' })
      expect(lines.join('\n')).not.toMatch(/writer|reader|auths/)
    })

    it('ends the builder with its steps when it is stopped', async () => {
      const stop = new AbortController()
      // No other run of this test on the machine sleeps as long.
      const step = `sleep ${100_000 + (process.pid % 900_000)}`
      const listSteps = (): string[] => listCommands().filter((command) => command.includes(step))
      const building = build(program(), `FROM ${base}\nRUN ${step}\n`, { signal: stop.signal })
      // The stand-in sleeps itself.
      const isAsleep = (): boolean =>
        program() === standIn ? lines.some((line) => line.includes(`RUN ${step}`)) : listSteps().length > 0
      await expect.poll(isAsleep, { timeout: 30_000 }).toBe(true)
      stop.abort()
      const { status, report } = await building
      expect({ status, reason: report.reason }).toEqual({ status: 1, reason: 'Aborted' })
      // What is killed may be seen until the kernel has got round to it.
      await expect.poll(listSteps, { timeout: 10_000 }).toEqual([])
    })
  })

function listCommands(): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map((pid) => {
    const file = `/proc/${pid}/cmdline`
    return existsSync(file) ? readFileSync(file, 'utf8').replaceAll('\0', ' ') : ''
  })
}

describe('a build pod', () => {
  it('says what to do where there is no builder', async () => {
    const { status, report } = await build('/nowhere/buildah', 'FROM scratch\n', { flags: ['--no-push'] })
    expect({ status, reason: report.reason }).toEqual({ status: 1, reason: 'BuilderUnavailable' })
    expect(report.message).toMatch(/cannot be started \(ENOENT\)\. Use KMM's builder image .* or install buildah$/)
  })

  it.each([
    ['no Dockerfile', ['--dockerfile', '/nowhere', '--no-push'], 'ConfigurationInvalid'],
    [
      'a volume that is not mounted',
      ['--dockerfile', '/workspace/Dockerfile', '--no-push', '--volume', '/run/x'],
      'ConfigurationInvalid',
    ],
    ['no flags', [], 'ConfigurationInvalid'],
    ['a target that is none', ['--dockerfile', '/workspace/Dockerfile', '--to', 'A/b'], 'ReferenceInvalid'],
    [
      'a digest for a target',
      ['--dockerfile', '/workspace/Dockerfile', '--to', `a/b@sha256:${'a'.repeat(64)}`],
      'ReferenceInvalid',
    ],
  ])('refuses %s before it builds', async (_what, argv, reason) => {
    write('workspace/Dockerfile', 'FROM scratch\n')
    const host = { root, buildahPath: standIn, path: '' }
    const log = (line: string): void => void lines.push(line)
    const status = await runImageBuild(argv, {
      host,
      temporaryFolder: '/tmp',
      log,
      signal: new AbortController().signal,
    })
    const report = parseBuildReport(readFileSync(join(root, 'dev/termination-log'), 'utf8'))
    expect({ status, reason: report?.reason }).toEqual({ status: 1, reason })
  })
})
