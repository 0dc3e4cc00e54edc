import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildModuleTreeFiles, type TreeModule } from '../kernel/depmod.ts'
import { VirtualKernel } from '../kernel/virtual-kernel.ts'
import { runModprobe } from './run.ts'

// The words of kmod 30 and of Debian's 6.1.0-56-amd64, heard from them for files that were changed in the same way.

const release = '6.1.0-56-amd64'
const plain = readFileSync(`examples/kmod/prebuilt/${release}/kmm_demo_dep.ko`)
const signed = (signer: string): Buffer => readFileSync(`examples/kmod/signed/${signer}/${release}/kmm_demo_dep.ko`)
const certificate = readFileSync('examples/kmod/signed/trusted.pem', 'utf8')

let folder = ''
let root = ''
let kernel: VirtualKernel
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-refusals-'))
  root = join(folder, 'node')
  kernel = new VirtualKernel({ nodeRoot: root, release })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function writeTree(files: Record<string, Buffer>, modules: readonly TreeModule[]): void {
  const tree = join(root, 'opt/lib/modules', release)
  mkdirSync(tree, { recursive: true })
  for (const [name, bytes] of Object.entries({ ...files, ...buildModuleTreeFiles(modules) }))
    writeFileSync(join(tree, name), bytes)
}

interface Answer {
  status: number
  err: string[]
  dmesg: string[]
}

async function load(name: string, ...parameters: string[]): Promise<Answer> {
  const err: string[] = []
  const before = kernel.dmesg().length
  const output = { print: () => undefined, printError: (line: string) => void err.push(line) }
  const argv = ['-vd', '/opt', name, ...parameters]
  const status = await runModprobe(argv, { root, kernelRelease: release, output })
  const taints = /loading out-of-tree module|module verification failed/
  const dmesg = kernel.dmesg().slice(before)
  return { status, err, dmesg: dmesg.filter((line) => !taints.test(line)) }
}

function loadFile(bytes: Buffer): Promise<Answer> {
  writeTree({ 'kmm_demo_dep.ko': bytes }, [{ path: 'kmm_demo_dep.ko', name: 'kmm_demo_dep' }])
  return load('kmm_demo_dep')
}

function edit(bytes: Buffer, change: (bytes: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes)
  change(copy)
  return copy
}

const replace = (from: string, to: string): Buffer =>
  Buffer.from(plain.toString('latin1').replaceAll(from, to.padEnd(from.length, '\0')), 'latin1')

const refused = (why: string, ...dmesg: string[]): Answer => ({
  status: 1,
  err: [`modprobe: ERROR: could not insert 'kmm_demo_dep': ${why}`],
  dmesg,
})
const loaded = (...dmesg: string[]): Answer => ({
  status: 0,
  err: [],
  dmesg: [...dmesg, 'kmm_demo_dep: ready to count'],
})

const tampered = edit(signed('trusted'), (bytes) => void bytes.write('R', bytes.indexOf('ready to count')))
/** The record of a signature begins 12 bytes before the marker, which is 28 long: its third byte says which form it has. */
const formAt = (bytes: Buffer): number => bytes.length - 40 + 2

describe('a file that is no module for this kernel', () => {
  const format = 'Exec format error'
  const magic = `version magic '${release} SMP mod_unload modversions ' should be '${release} SMP preempt mod_unload modversions '`
  const cases: [what: string, bytes: Buffer, answer: Answer][] = [
    ['an empty one', Buffer.alloc(0), refused('Invalid argument')],
    ['one that ends in its header', plain.subarray(0, 20), refused(format, 'Invalid ELF header len 20')],
    ['one that was cut off', plain.subarray(0, 3000), refused(format, 'Invalid ELF section header overflow')],
    ['a text', Buffer.alloc(200, 'text'), refused(format, 'Invalid ELF header magic: != \u007fELF')],
    ['one that gzip has compressed', gzipSync(plain), refused(format, 'Invalid ELF header magic: != \u007fELF')],
    [
      'a program',
      edit(plain, (bytes) => void bytes.writeUInt16LE(3, 16)),
      refused(format, 'Invalid ELF header type: 3 != 1'),
    ],
    [
      'one for another processor',
      edit(plain, (bytes) => void bytes.writeUInt16LE(183, 18)),
      refused(format, 'Invalid architecture in ELF header: 183'),
    ],
    [
      'one with sections of another size',
      edit(plain, (bytes) => void bytes.writeUInt16LE(60, 58)),
      refused(format, 'Invalid ELF section header size'),
    ],
    [
      'one built with other options',
      replace('SMP preempt mod_unload modversions \0', 'SMP mod_unload modversions '),
      refused(format, `kmm_demo_dep: ${magic}`),
    ],
  ]
  it.each(cases)('%s', async (_, bytes, answer) => {
    expect(await loadFile(bytes)).toEqual(answer)
  })

  it('is taken when it does not say what kernel it is for', async () => {
    const words = ['kmm_demo_dep: bad vermagic: kernel tainted.', 'Disabling lock debugging due to kernel taint']
    expect(await loadFile(replace('vermagic=', 'vermagix='))).toEqual(loaded(...words))
    expect(kernel.loadedModules()).toMatchObject([{ taint: 'FOE' }])
  })
})

describe('a signature', () => {
  const rejected = 'Key was rejected by service'
  const restricted = 'Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7'
  const noMessage = 'module: not signed with expected PKCS#7 message'
  const otherForm = edit(signed('trusted'), (bytes) => void bytes.writeUInt8(0, formAt(bytes)))
  const damaged = edit(signed('trusted'), (bytes) => void bytes.writeUInt32BE(0xffffffff, formAt(bytes) + 6))

  const cases: [what: string, bytes: Buffer, answers: { free: Answer; enforced: Answer; lockedDown: Answer }][] = [
    [
      'that is not there',
      plain,
      {
        free: loaded(),
        enforced: refused(rejected, 'Loading of unsigned module is rejected'),
        lockedDown: refused('Operation not permitted', restricted),
      },
    ],
    [
      'by a stranger',
      signed('stranger'),
      {
        free: loaded(),
        enforced: refused(rejected, 'Loading of module with unavailable key is rejected'),
        lockedDown: refused('Operation not permitted', restricted),
      },
    ],
    [
      'of another form',
      otherForm,
      {
        free: loaded(noMessage),
        enforced: refused(rejected, noMessage, 'Loading of module with unsupported crypto is rejected'),
        lockedDown: refused('Operation not permitted', noMessage, restricted),
      },
    ],
    [
      'whose length makes no sense',
      damaged,
      { free: refused('Bad message'), enforced: refused('Bad message'), lockedDown: refused('Bad message') },
    ],
    ['by a trusted key', signed('trusted'), { free: loaded(), enforced: loaded(), lockedDown: loaded() }],
    [
      'by a trusted key, of other bytes',
      tampered,
      { free: refused(rejected), enforced: refused(rejected), lockedDown: refused(rejected) },
    ],
  ]
  for (const [what, bytes, { free, enforced, lockedDown }] of cases) {
    it(`${what}, where nothing is enforced`, async () => {
      kernel.trustCertificate(certificate)
      expect(await loadFile(bytes)).toEqual(free)
    })
    it(`${what}, under enforcement`, async () => {
      kernel.trustCertificate(certificate)
      kernel.setEnforce(true)
      expect(await loadFile(bytes)).toEqual(enforced)
    })
    it(`${what}, in a kernel that is locked down`, async () => {
      kernel.trustCertificate(certificate)
      kernel.setLockdown(true)
      expect(await loadFile(bytes)).toEqual(lockedDown)
    })
  }

  it('by a key that nobody trusts is as good as none, whatever it signed', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    kernel.trustCertificate(publicKey.export({ type: 'spki', format: 'pem' }).toString())
    expect(await loadFile(tampered)).toMatchObject({ status: 0 })
    expect(kernel.loadedModules()).toMatchObject([{ taint: 'OE' }])
  })

  it('is looked at before anything else', async () => {
    kernel.setEnforce(true)
    const answer = refused(rejected, 'Loading of unsigned module is rejected')
    expect(await loadFile(plain.subarray(0, 3000))).toEqual(answer)
    expect(await loadFile(edit(plain, (bytes) => void bytes.writeUInt16LE(183, 18)))).toEqual(answer)
  })
})

describe('what else is refused', () => {
  it('a module that exports what another one does', async () => {
    await loadFile(plain)
    const twin = replace('kmm_demo_dep\0', 'kmm_demo_two\0')
    writeTree({ 'kmm_demo_two.ko': twin }, [{ path: 'kmm_demo_two.ko', name: 'kmm_demo_two' }])
    expect(await load('kmm_demo_two')).toEqual({
      status: 1,
      err: ["modprobe: ERROR: could not insert 'kmm_demo_two': Exec format error"],
      dmesg: ['kmm_demo_two: exports duplicate symbol kmm_demo_dep_count_greeting (owned by kmm_demo_dep)'],
    })
  })

  it('a dependency whose file is not there, and then the symbol', async () => {
    const demo = readFileSync(`examples/kmod/prebuilt/${release}/kmm_demo.ko`)
    writeTree({ 'kmm_demo.ko': demo }, [
      { path: 'kmm_demo_dep.ko', name: 'kmm_demo_dep' },
      { path: 'kmm_demo.ko', name: 'kmm_demo', depends: ['kmm_demo_dep'] },
    ])
    const { status, err, dmesg } = await load('kmm_demo')
    const gap = expect.stringMatching(
      /^modprobe: ERROR: \.\.\/libkmod\/libkmod-module\.c:191 kmod_module_parse_depline\(\) ctx=0x[0-9a-f]+ path=\/opt\/lib\/modules\/6\.1\.0-56-amd64\/kmm_demo_dep\.ko error=No such file or directory$/,
    )
    const why = 'Unknown symbol in module, or unknown parameter (see dmesg)'
    expect([status, err]).toEqual([1, [gap, gap, `modprobe: ERROR: could not insert 'kmm_demo': ${why}`]])
    expect(dmesg).toEqual(['kmm_demo: Unknown symbol kmm_demo_dep_count_greeting (err -2)'])
  })
})
