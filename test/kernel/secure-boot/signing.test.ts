import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signCopy } from '../../../src/image/sign-copy.ts'
import { compressModule } from '../../../src/kmod/compress.ts'
import { createModuleSigner, type ModuleSigner } from '../../../src/kmod/signature-key.ts'
import { type Machine, startMachine } from '../../../src/sandbox/qemu/machine.ts'
import { trustOnly } from '../../../src/sandbox/qemu/secure-boot/firmware.ts'
import { testMachines } from '../machines.ts'

const release = '6.1.0-56-amd64'
const testdata = 'src/kmod/testdata/signing'
const name = 'kmm_demo_dep'

let machine: Machine
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kmm-signing-'))
  machine = await startMachine({
    ...testMachines(),
    name: 'signing',
    release,
    agentProgram: 'dist/guest-agent.js',
    firmware: trustOnly(await readFile(`${testdata}/rsa.pem`, 'utf8')),
  })
}, 600_000)
afterAll(async () => {
  await machine?.stop()
  await rm(folder, { recursive: true })
})

async function readSigner(key: 'rsa' | 'ec', hash: 'sha256' | 'sha512' = 'sha256'): Promise<ModuleSigner> {
  const [private_, certificate] = [await readFile(`${testdata}/${key}.key`), await readFile(`${testdata}/${key}.pem`)]
  return createModuleSigner({ key: private_, certificate, hash })
}

const unsigned = (): Promise<Buffer> => readFile(`examples/kmod/prebuilt/${release}/${name}.ko`)

async function sign(content: Uint8Array, signer: ModuleSigner): Promise<Buffer> {
  const file = join(folder, 'module.ko')
  await writeFile(file, content)
  expect(await signCopy({ paths: [file], copy: file }, signer)).toBe('signed')
  return readFile(file)
}

/** What insmod says of a module file; nothing when the kernel takes it. */
async function insert(content: Uint8Array, suffix = ''): Promise<string> {
  const path = `/tmp/${name}.ko${suffix}`
  await machine.writeFile(path, Buffer.from(content))
  const { exitCode, stderr } = await machine.run(['insmod', path])
  if (exitCode === 0) await machine.runChecked(['rmmod', name])
  return stderr.toString().trim()
}

describe('a kernel under Secure Boot', () => {
  it('refuses a module that nobody has signed, and one that a stranger has', async () => {
    expect(await insert(await unsigned())).toContain('Key was rejected by service')
    expect(await insert(await sign(await unsigned(), await readSigner('ec')))).toContain('Key was rejected by service')
  })

  it.each(['sha256', 'sha512'] as const)('takes a module that is signed here (%s)', async (hash) => {
    expect(await insert(await sign(await unsigned(), await readSigner('rsa', hash)))).toBe('')
  })

  it('looks at the last signature alone', async () => {
    const byStranger = await sign(await unsigned(), await readSigner('ec'))
    expect(await insert(await sign(byStranger, await readSigner('rsa')))).toBe('')
    const byUs = await sign(await unsigned(), await readSigner('rsa'))
    expect(await insert(await sign(byUs, await readSigner('ec')))).toContain('Key was rejected by service')
  })

  it('takes a module with a senseless signature once a good one stands behind it', async () => {
    const senseless = Buffer.from('0000020000000000ffffffff', 'hex')
    const damaged = Buffer.concat([await unsigned(), senseless, Buffer.from('~Module signature appended~\n')])
    expect(await insert(await sign(damaged, await readSigner('rsa')))).toBe('')
  })

  it.each([
    ['xz', '.xz'],
    ['zstd', '.zst'],
  ] as const)('takes a module that is signed inside of %s', async (kind, suffix) => {
    const packed = await compressModule(await unsigned(), kind)
    expect(await insert(await sign(packed, await readSigner('rsa')), suffix)).toBe('')
  })
})
