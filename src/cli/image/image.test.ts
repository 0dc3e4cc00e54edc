import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SigningFixture } from '../../../test/signing-fixture.ts'
import { directory, file, symbolicLink, type TestEntry } from '../../../test/tar-builder.ts'
import type { CheckFinding } from '../../image/check-image.ts'
import { createImageCommand } from './command.ts'

const kernel = '6.1.0-56-amd64'
const folder = `opt/lib/modules/${kernel}`
const prebuilt = (name: string): TestEntry =>
  file(`${folder}/${name}`, readFileSync(`examples/kmod/prebuilt/${kernel}/${name}`))
const whole = [
  prebuilt('kmm_demo.ko'),
  prebuilt('kmm_demo_dep.ko'),
  prebuilt('kmm_demo_fw.ko'),
  prebuilt('modules.dep'),
  prebuilt('modules.dep.bin'),
  file('firmware/kmm/demo.bin', 'x'),
]
const signing = 'src/kmod/testdata/signing'

let fixture: SigningFixture
let home: string
let environment: Record<string, string>
let errors: string
beforeEach(async () => {
  fixture = await SigningFixture.start()
  home = mkdtempSync(join(tmpdir(), 'kmm-home-'))
  environment = { PATH: `${join(home, 'bin')}:${process.env['PATH']}` }
  errors = ''
})
afterEach(async () => {
  process.exitCode = 0
  rmSync(home, { recursive: true })
  expect(fixture.leftovers).toEqual([])
  await fixture.stop()
})

function write(path: string, content: string): void {
  mkdirSync(dirname(join(home, path)), { recursive: true })
  writeFileSync(join(home, path), content)
}

const image = (name = 'unsigned:v1'): string => `${fixture.registry.address}/kmods/${name}`

/** Runs a command to its end; what it throws is thrown. */
async function run(...argv: string[]): Promise<{ status: number; output: string }> {
  return runSecurely(...argv, '--insecure')
}

async function runSecurely(...argv: string[]): Promise<{ status: number; output: string }> {
  const lines: string[] = []
  process.exitCode = 0
  const command = createImageCommand({
    environment,
    home,
    temporaryFolder: fixture.workFolder,
    architecture: 'amd64',
    write: (line) => void lines.push(line),
    writeError: (text) => {
      errors += text
    },
    isTerminal: false,
    createStopSignal: () => new AbortController().signal,
  })
  await command.parseAsync(argv, { from: 'user' })
  const status = process.exitCode ?? 0
  process.exitCode = 0
  return { status: Number(status), output: lines.join('\n') }
}

const runJson = async (...argv: string[]): Promise<unknown> => JSON.parse((await run(...argv, '--json')).output)

describe('kmm image inspect', () => {
  it('shows kernels, modules and firmware', async () => {
    await fixture.push([whole])
    const { output } = await run('inspect', image())
    expect(output).toContain(`Kernel ${kernel}`)
    expect(output).toMatch(/kmm_demo +1\.0 +6\.1\.0-56-amd64 SMP preempt mod_unload modversions +kmm_demo_dep +- +-/)
    expect(output).toMatch(/kmm_demo_fw .* kmm\/demo\.bin\n/)
    expect(output).toContain('Firmware in /firmware:\n  kmm/demo.bin')
    expect(output).toContain('nobody, by its label')
  })

  it('shows whose signatures there are, and what is no module, as JSON', async () => {
    await fixture.push([
      [file(`${folder}/a.ko`, 'text'), file(`${folder}/b.ko`, readFileSync(`${signing}/ec-sha384.ko`))],
    ])
    expect(await runJson('inspect', image())).toMatchObject({
      signedBy: null,
      kernels: [
        {
          release: kernel,
          hasModulesDep: false,
          hasModulesDepBin: false,
          modules: [
            { name: 'a', problem: expect.stringContaining('does not begin as an ELF file') as string, signer: null },
            { name: 'b', signer: { commonName: 'ec signer', hash: 'sha384' } },
          ],
        },
      ],
    })
  })

  it('says so where there is nothing', async () => {
    await fixture.push([[directory('etc')]])
    expect((await run('inspect', image())).output).toContain('No kernel has modules in /opt/lib/modules.')
  })

  it('names the flag that plain HTTP needs', async () => {
    await fixture.push([whole])
    const error = await runSecurely('inspect', image()).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'RegistryUnreachable' })
    expect(String(error)).toMatch(/plain HTTP.* give --insecure,/)
  })

  it('reads no modules.dep that is larger than any', async () => {
    await fixture.push([[prebuilt('kmm_demo.ko'), file(`${folder}/modules.dep`, 'x'.repeat(8 * 1024 ** 2 + 1))]])
    await expect(run('inspect', image())).rejects.toMatchObject({
      code: 'LimitExceeded',
      message: expect.stringContaining('its modules.dep has 8388609 bytes, more than the 8388608 that are read'),
    })
  })

  it('follows no link of the image out of it', async () => {
    await fixture.push([
      [
        symbolicLink(`${folder}/passwd.ko`, '/etc/passwd'),
        symbolicLink(`${folder}/up.ko`, '../../../../../../../../etc/passwd'),
      ],
    ])
    expect((await run('inspect', image())).output).not.toContain('root')
  })
})

describe('kmm image check', () => {
  const check = async (
    ...flags: string[]
  ): Promise<{ status: number; verdicts: string[]; findings: CheckFinding[] }> => {
    const { status, output } = await run('check', image(), '--kernel', kernel, '--json', ...flags)
    const { findings, wouldLoad } = JSON.parse(output) as { findings: CheckFinding[]; wouldLoad: boolean }
    expect(wouldLoad).toBe(status === 0)
    const notable = findings.filter(({ verdict }) => verdict !== 'ok')
    return { status, findings, verdicts: notable.map((each) => `${each.verdict} ${each.check}`) }
  }

  it('passes an image as it should be, and what it needs with it', async () => {
    await fixture.push([whole])
    const { status, verdicts, findings } = await check('--module', 'kmm-demo')
    expect({ status, verdicts }).toEqual({ status: 0, verdicts: ['warning signature', 'warning signature'] })
    expect(findings.filter((each) => each.check === 'vermagic')).toHaveLength(2)
    expect(
      findings.find((each) => each.check === 'dependencies' && each.message.includes('kmm_demo needs')),
    ).toBeDefined()
  })

  it('prints a verdict for people', async () => {
    await fixture.push([whole])
    const { output } = await run('check', image(), '--kernel', kernel)
    expect(output).toMatch(/^ok {7}the image has modules in \/opt\/lib\/modules\/6\.1\.0-56-amd64: 3\n/)
    expect(output).toMatch(/\nIt would load on 6\.1\.0-56-amd64\.$/)
  })

  it.each<[string, TestEntry[], string[], string]>([
    ['for another kernel', [file('opt/lib/modules/5.10/a.ko')], [], 'failed kernel'],
    ['without the module', whole, ['--module', 'other'], 'failed module'],
    ['without modules.dep', [prebuilt('kmm_demo_dep.ko'), prebuilt('modules.dep.bin')], [], 'failed index'],
    ['without modules.dep.bin', whole.filter(({ name }) => !name.endsWith('modules.dep.bin')), [], 'failed index'],
    [
      'whose modules.dep does not know the module',
      [prebuilt('kmm_demo_dep.ko'), file(`${folder}/modules.dep`, 'x.ko:\n')],
      [],
      'failed index',
    ],
    [
      'without what the module needs',
      whole.filter(({ name }) => !name.endsWith('dep.ko')),
      ['--module', 'kmm_demo'],
      'failed dependencies',
    ],
    [
      'whose modules.dep lacks what the module needs',
      [...whole.slice(0, 3), file(`${folder}/modules.dep`, 'kmm_demo.ko:\n')],
      ['--module', 'kmm_demo'],
      'failed dependencies',
    ],
    [
      'with modules of another kernel',
      [
        file(`${folder}/kmm_demo_dep.ko`, readFileSync('examples/kmod/prebuilt/6.1.0-55-amd64/kmm_demo_dep.ko')),
        file(`${folder}/modules.dep`, 'kmm_demo_dep.ko:\n'),
      ],
      [],
      'failed vermagic',
    ],
    ['of another architecture', whole, ['--module', 'kmm_demo_dep', '--architecture', 'arm64'], 'failed architecture'],
    ['with a file that is no module', [file(`${folder}/a.ko`, 'text'), prebuilt('modules.dep')], [], 'failed module'],
    ['without signatures where they are needed', whole, ['--require-signature'], 'failed signature'],
    ['without the signature of the certificate', whole, ['--cert', `${signing}/rsa.pem`], 'failed signature'],
    ['without the firmware', whole.filter(({ name }) => name !== 'firmware/kmm/demo.bin'), [], 'warning firmware'],
  ])('of an image %s says so', async (_what, entries, flags, expected) => {
    await fixture.push([entries])
    const { status, verdicts } = await check(...flags)
    expect(verdicts).toContain(expected)
    expect(status).toBe(expected.startsWith('failed') ? 1 : 0)
  })

  it('takes the node’s own modules on trust', async () => {
    const link = symbolicLink(`${folder}/host`, `/lib/modules/${kernel}`)
    const index = file(
      `${folder}/modules.dep`,
      'kmm_demo.ko: host/kernel/kmm_demo_dep.ko\nhost/kernel/kmm_demo_dep.ko:\n',
    )
    await fixture.push([[link, prebuilt('kmm_demo.ko'), index, prebuilt('modules.dep.bin')]])
    expect((await check('--module', 'kmm_demo')).status).toBe(0)
  })

  it('finds the modules of a kernel whose name ends in "+"', async () => {
    await fixture.push([[file('opt/lib/modules/6.1.0/a.ko', 'text')]])
    const { output } = await run('check', image(), '--kernel', '6.1.0+')
    expect(output).toContain('the image has modules in /opt/lib/modules/6.1.0+: 1')
  })
})

describe('kmm image sign', () => {
  const keys = ['--key', `${signing}/rsa.key`, '--cert', `${signing}/rsa.pem`]

  it('signs all modules below the directory, and the result passes a check', async () => {
    await fixture.push([whole])
    const { output } = await run('sign', image(), '--to', image('signed:v1'), ...keys)
    expect(output).toContain(`/${folder}/kmm_demo_fw.ko: signed\n`)
    expect(output).toContain((await fixture.manifest('kmods/signed:v1')).digest)
    const checked = await run('check', image('signed:v1'), '--kernel', kernel, '--cert', `${signing}/rsa.pem`)
    expect(checked.status).toBe(0)
    expect(await runJson('inspect', image('signed:v1'))).toMatchObject({
      kernels: [{ modules: [{ signer: { commonName: 'rsa signer' } }, {}, {}] }],
    })
  })

  it('signs what --files names, with the passphrase of a file', async () => {
    await fixture.push([whole])
    write('passphrase', 'secret\n')
    const flags = ['--files', `/${folder}/*_dep.ko`, '--passphrase-file', join(home, 'passphrase'), '--hash', 'sha512']
    const result = await runJson('sign', image(), '--to', image('signed:v1'), ...keys, ...flags)
    expect(result).toMatchObject({ files: [{ path: `/${folder}/kmm_demo_dep.ko`, outcome: 'signed' }] })
  })

  it.each([
    [['--hash', 'md5'], 'ConfigurationInvalid'],
    [['--key', '/does/not/exist'], 'ConfigurationInvalid'],
    [['--cert', `${signing}/ec.pem`], 'SigningKeyInvalid'],
    [['--files', '/opt/none.ko'], 'FilesToSignInvalid'],
    [['--registry-settings', `${signing}/README.md`], 'ConfigurationInvalid'],
  ])('with %j fails', async (flags, code) => {
    await fixture.push([whole])
    await expect(run('sign', image(), '--to', image('signed:v1'), ...keys, ...flags)).rejects.toMatchObject({ code })
  })
})

describe('the user’s credentials', () => {
  beforeEach(async () => {
    await fixture.push([whole])
    fixture.registry.setAuth({ kind: 'basic', users: [{ username: 'user', password: 'word' }] })
  })
  const basic = (): string =>
    JSON.stringify({ auths: { [fixture.registry.address]: { username: 'user', password: 'word' } } })

  function addHelper(name: string, code: string): void {
    write(`bin/docker-credential-${name}`, `#!${process.execPath}\n${code}`)
    chmodSync(join(home, `bin/docker-credential-${name}`), 0o755)
  }

  it('are needed', async () => {
    const error = await run('inspect', image()).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'RegistryUnauthorized' })
    expect(String(error)).toContain('podman login')
  })

  it.each([
    ['.docker/config.json', {}],
    ['.config/containers/auth.json', {}],
    ['elsewhere/config.json', { DOCKER_CONFIG: 'elsewhere' }],
    ['run/containers/auth.json', { XDG_RUNTIME_DIR: 'run' }],
    ['file.json', { REGISTRY_AUTH_FILE: 'file.json' }],
  ])('are found in %s', async (path, variables) => {
    write(path, basic())
    for (const [name, value] of Object.entries(variables)) environment[name] = join(home, value)
    expect((await run('inspect', image())).output).toContain('kmm_demo')
    expect(errors).toBe('')
  })

  it.each(['credsStore', 'credHelpers'])(
    'come from a helper (%s), which is asked for this registry alone',
    async (field) => {
      const answer = '{ Username: "user", Secret: "word" }'
      addHelper(
        'test',
        `let asked = ''
process.stdin.on('data', (text) => { asked += text }).on('end', () => {
  require('node:fs').writeFileSync(${JSON.stringify(join(home, 'asked'))}, process.argv[2] + ' ' + asked)
  console.log(JSON.stringify(${answer}))
})`,
      )
      const { address } = fixture.registry
      write(
        '.docker/config.json',
        JSON.stringify(field === 'credsStore' ? { credsStore: 'test' } : { credHelpers: { [address]: 'test' } }),
      )
      expect((await run('inspect', image())).output).toContain('kmm_demo')
      expect(readFileSync(join(home, 'asked'), 'utf8')).toBe(`get ${address}`)
    },
  )

  it.each([
    ['is not installed', 'absent', ''],
    ['has no plain name', '../../bin/sh', ''],
    ['fails', 'test', 'console.log("secret"); process.exit(3)'],
    ['talks', 'test', 'console.log("secret")'],
  ])('of a helper that %s are missing, with a warning that tells no secret', async (_what, helper, code) => {
    if (code !== '') addHelper('test', code)
    write('.docker/config.json', JSON.stringify({ credsStore: helper }))
    await expect(run('inspect', image())).rejects.toMatchObject({ code: 'RegistryUnauthorized' })
    expect(errors).toMatch(/the credential helper ".*" gave nothing/)
    expect(errors).not.toContain('secret')
  })

  it('in a file that is no JSON are an error that does not quote it', async () => {
    write('.docker/config.json', '{"auths": secret')
    const error = await run('inspect', image()).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'ConfigurationInvalid' })
    expect(String(error)).not.toContain('secret')
  })
})
