import { generateKeyPairSync, sign } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildModuleTreeFiles } from '../kernel/depmod.ts'
import { buildModuleFile, type ModuleFileInput } from '../kernel/module-file.ts'
import { VirtualKernel } from '../kernel/virtual-kernel.ts'
import { runModprobe } from './run.ts'

const release = '6.1.0-56-amd64'
const prebuilt = 'examples/kmod/prebuilt'
const otherKernel = 'examples/kmod/prebuilt-cloud/6.1.0-56-cloud-amd64'
const optTree = `/tmp/opt/lib/modules/${release}`

let folder = ''
let nodeRoot = ''
let kernel: VirtualKernel
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-modprobe-'))
  nodeRoot = join(folder, 'node')
  kernel = new VirtualKernel({ nodeRoot, release })
  mkdirSync(join(nodeRoot, 'etc/modprobe.d'), { recursive: true })
  mkdirSync(join(nodeRoot, 'tmp/opt/lib'), { recursive: true })
  cpSync(prebuilt, join(nodeRoot, 'tmp/opt/lib/modules'), { recursive: true })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Result {
  out: string[]
  err: string[]
  status: number
}

async function modprobe(...argv: string[]): Promise<Result> {
  const out: string[] = []
  const err: string[] = []
  const output = { print: (line: string) => void out.push(line), printError: (line: string) => void err.push(line) }
  const status = await runModprobe(argv, { root: nodeRoot, kernelRelease: kernel.release, output })
  return { out, err, status }
}

/** Replaces the image's tree by made-up modules, with the files that depmod writes. */
function writeTree(modules: (ModuleFileInput & { softdep?: string })[], tree = optTree): void {
  rmSync(join(nodeRoot, tree), { recursive: true, force: true })
  mkdirSync(join(nodeRoot, tree), { recursive: true })
  for (const module of modules) writeFileSync(join(nodeRoot, tree, `${module.name}.ko`), buildModuleFile(module))
  const files = buildModuleTreeFiles(modules.map((module) => ({ path: `${module.name}.ko`, ...module })))
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(nodeRoot, tree, name), bytes)
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const length = body.length < 0x80 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}

/** What sign-file appends: a PKCS#7 message without certificates or attributes, its record, the marker. */
function appendedSignature(signature: Buffer): Buffer {
  const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'))
  const sha256 = der(0x30, oid('608648016503040201'))
  const version = der(0x02, Buffer.from([1]))
  const signerId = der(0x30, der(0x30), der(0x02, Buffer.from([7])))
  const rsa = der(0x30, oid('2a864886f70d010101'), der(0x05))
  const signer = der(0x30, version, signerId, sha256, rsa, der(0x04, signature))
  const data = der(0x30, oid('2a864886f70d010701'))
  const signedData = der(0x30, version, der(0x31, sha256), data, der(0x31, signer))
  const message = der(0x30, oid('2a864886f70d010702'), der(0xa0, signedData))
  const record = Buffer.alloc(12)
  record.writeUInt8(2, 2)
  record.writeUInt32BE(message.length, 8)
  return Buffer.concat([message, record, Buffer.from('~Module signature appended~\n')])
}

const insmod = (file: string, parameters = ''): string => `insmod ${optTree}/${file} ${parameters}`
const names = (): string[] => kernel.loadedModules().map(({ name }) => name)

describe('loading', () => {
  it('loads a real module after its dependency, and says so with -v', async () => {
    const result = await modprobe('-vd', '/tmp/opt', 'kmm-demo', 'count=3', 'greeting=a b')
    expect(result).toEqual({
      out: [insmod('kmm_demo_dep.ko'), insmod('kmm_demo.ko', 'count=3 greeting="a b"')],
      err: [],
      status: 0,
    })
    expect(kernel.loadedModules()).toMatchObject([
      { name: 'kmm_demo', refcnt: 0, taint: 'OE', parameters: { count: '3', greeting: 'a b' } },
      { name: 'kmm_demo_dep', refcnt: 1, holders: ['kmm_demo'] },
    ])
  })

  it('shows a loaded module below /sys/module as the kernel does', async () => {
    await modprobe('-d', '/tmp/opt', 'kmm_demo')
    const read = (path: string): string => readFileSync(join(nodeRoot, 'sys/module', path), 'utf8')
    expect(read('kmm_demo/initstate')).toBe('live\n')
    expect(read('kmm_demo/srcversion')).toBe('51C70DE0189E60AD8A75277\n')
    expect(read('kmm_demo/taint')).toBe('OE\n')
    expect(read('kmm_demo_dep/refcnt')).toBe('1\n')
    expect(() => read('kmm_demo_dep/holders/kmm_demo')).toThrow('EISDIR')
  })

  it('does nothing and says nothing when the module is there, unless it is to be the first time', async () => {
    await modprobe('-d', '/tmp/opt', 'kmm_demo')
    expect(await modprobe('-vd', '/tmp/opt', 'kmm_demo')).toEqual({ out: [], err: [], status: 0 })
    expect(await modprobe('-vd', '/tmp/opt', '--first-time', 'kmm_demo')).toEqual({
      out: [],
      err: ["modprobe: ERROR: could not insert 'kmm_demo': Module already in kernel"],
      status: 1,
    })
    expect(kernel.insertions('kmm_demo')).toBe(1)
  })

  it('follows softdeps of /etc/modprobe.d, and of modules.softdep in the order of the files’ names', async () => {
    writeFileSync(join(nodeRoot, 'etc/modprobe.d/softdep.conf'), 'softdep kmm_demo_fw post: kmm_demo\n')
    const after = await modprobe('-nvd', '/tmp/opt', 'kmm_demo_fw')
    expect(after.out).toEqual([insmod('kmm_demo_fw.ko'), insmod('kmm_demo_dep.ko'), insmod('kmm_demo.ko')])
    writeFileSync(join(nodeRoot, optTree, 'modules.softdep'), 'softdep kmm_demo_fw pre: kmm_demo\n')
    const before = await modprobe('-nvd', '/tmp/opt', 'kmm_demo_fw')
    expect(before.out).toEqual([insmod('kmm_demo_dep.ko'), insmod('kmm_demo.ko'), insmod('kmm_demo_fw.ko')])
    renameSync(join(nodeRoot, 'etc/modprobe.d/softdep.conf'), join(nodeRoot, 'etc/modprobe.d/kmm-softdep.conf'))
    expect((await modprobe('-nvd', '/tmp/opt', 'kmm_demo_fw')).out).toEqual(after.out)
    expect(names()).toEqual([])
  })

  it('reads options, aliases and blacklists, with continued lines', async () => {
    writeFileSync(
      join(nodeRoot, 'etc/modprobe.d/a.conf'),
      'options kmm_demo count=9 \\\n greeting=x\n# c\nalias foo kmm_demo\nblacklist kmm_demo\nsoftdep kmm-demo-fw pre: kmm_demo nothere post: x\n',
    )
    expect((await modprobe('-nvd', '/tmp/opt', 'kmm_demo_fw')).out).toEqual([
      insmod('kmm_demo_dep.ko'),
      insmod('kmm_demo.ko', 'count=9 greeting=x '),
      insmod('kmm_demo_fw.ko'),
    ])
    expect(await modprobe('-nvd', '/tmp/opt', 'foo', 'count=1')).toEqual({ out: [], err: [], status: 0 })
    expect((await modprobe('-nvbd', '/tmp/opt', 'kmm_demo')).out).toEqual([])
    expect((await modprobe('-nvd', '/tmp/opt', 'kmm_demo', 'count=1')).out.at(-1)).toBe(
      insmod('kmm_demo.ko', 'count=9 greeting=x count=1'),
    )
  })

  it('goes on after a soft dependency that fails, and fails with a hard one in the name of what was asked for', async () => {
    const other = { release: '5.10.0', srcversion: 'B' }
    writeTree([
      { name: 'soft', ...other },
      { name: 'a', release, softdep: 'pre: soft' },
    ])
    expect(await modprobe('-vd', '/tmp/opt', 'a')).toEqual({
      out: [insmod('soft.ko'), insmod('a.ko')],
      err: [],
      status: 0,
    })
    writeTree([
      { name: 'hard', ...other },
      { name: 'b', release, depends: ['hard'] },
    ])
    expect((await modprobe('-d', '/tmp/opt', 'b')).err).toEqual([
      "modprobe: ERROR: could not insert 'b': Exec format error",
    ])
    expect(names()).toEqual(['a'])
  })

  it('takes several names with -a and goes on after one that is missing', async () => {
    expect(await modprobe('-ad', '/tmp/opt', 'nope', 'kmm_demo')).toEqual({
      out: [],
      err: [`modprobe: WARNING: Module nope not found in directory ${optTree}`],
      status: 1,
    })
    expect(names()).toEqual(['kmm_demo', 'kmm_demo_dep'])
  })

  it('changes nothing in a boot that began after it was started', async () => {
    kernel.setBehaviour('kmm_demo_dep', { initMs: 30 })
    const result = modprobe('-d', '/tmp/opt', 'kmm_demo_dep')
    kernel.reboot()
    expect((await result).status).toBe(1)
    expect(names()).toEqual([])
  })

  it('finds modules behind a link into the host, and through a volume', async () => {
    const pod = join(nodeRoot, 'pods/1/rootfs')
    mkdirSync(join(pod, 'host/lib'), { recursive: true })
    symlinkSync(join(nodeRoot, 'sys'), join(pod, 'sys'))
    symlinkSync(join(nodeRoot, 'lib/modules'), join(pod, 'host/lib/modules'))
    kernel.addInTree('host_dep')
    mkdirSync(join(pod, optTree), { recursive: true })
    symlinkSync(`/host/lib/modules/${release}/kernel`, join(pod, optTree, 'kernel'))
    writeFileSync(join(pod, optTree, 'mine.ko'), buildModuleFile({ name: 'mine', release, depends: ['host_dep'] }))
    const files = buildModuleTreeFiles([
      { path: 'kernel/drivers/misc/host_dep.ko', name: 'host_dep' },
      { path: 'mine.ko', name: 'mine', depends: ['host_dep'] },
    ])
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(pod, optTree, name), bytes)
    const out: string[] = []
    const output = { print: (line: string) => void out.push(line), printError: (line: string) => void out.push(line) }
    const status = await runModprobe(['-vd', '/tmp/opt', 'mine'], { root: pod, kernelRelease: release, output })
    expect([status, ...out]).toEqual([0, insmod('kernel/drivers/misc/host_dep.ko'), insmod('mine.ko')])
    expect(kernel.loadedModules()).toMatchObject([
      { name: 'host_dep', taint: '', holders: ['mine'] },
      { name: 'mine', taint: 'OE' },
    ])
  })
})

// The words of kmod 30 and of Linux 6.1, recorded from them.
describe('refusals in the words of the real ones', () => {
  const cannotInsert = (name: string, why: string): string => `modprobe: ERROR: could not insert '${name}': ${why}`
  const unknownSymbol = 'Unknown symbol in module, or unknown parameter (see dmesg)'
  const signed = 'src/kmod/testdata/kmm_demo_dep.signed.ko'

  const cases: {
    title: string
    prepare?: () => void
    argv: string[]
    err: string
    dmesg?: string
  }[] = [
    {
      title: 'a module that the image does not have',
      argv: ['-vd', '/tmp/opt', 'nope'],
      err: `modprobe: FATAL: Module nope not found in directory ${optTree}`,
    },
    {
      title: 'an image without modules.dep.bin',
      prepare: () => rmSync(join(nodeRoot, optTree, 'modules.dep.bin')),
      argv: ['-vd', '/tmp/opt', 'kmm_demo'],
      err: `modprobe: FATAL: Module kmm_demo not found in directory ${optTree}`,
    },
    {
      title: 'a module file that modules.dep names and nobody has',
      prepare: () => rmSync(join(nodeRoot, optTree, 'kmm_demo_fw.ko')),
      argv: ['-d', '/tmp/opt', 'kmm_demo_fw'],
      err: cannotInsert('kmm_demo_fw', unknownSymbol),
    },
    {
      title: 'a module for another kernel',
      prepare: () => cpSync(otherKernel, join(nodeRoot, optTree), { recursive: true }),
      argv: ['-d', '/tmp/opt', 'kmm_demo_dep'],
      err: cannotInsert('kmm_demo_dep', 'Exec format error'),
      dmesg: 'kmm_demo_dep: disagrees about version of symbol module_layout',
    },
    {
      title: 'a module for another architecture',
      prepare: () => writeTree([{ name: 'arm', release, architecture: 'arm64' }]),
      argv: ['-d', '/tmp/opt', 'arm'],
      err: cannotInsert('arm', 'Exec format error'),
      dmesg: 'Invalid architecture in ELF header: 183',
    },
    {
      title: 'a file that is no module',
      prepare: () => writeFileSync(join(nodeRoot, optTree, 'kmm_demo_dep.ko'), 'no module'),
      argv: ['-d', '/tmp/opt', 'kmm_demo_dep'],
      err: cannotInsert('kmm_demo_dep', 'Exec format error'),
      dmesg: 'Invalid ELF header len 9',
    },
    {
      title: 'a module whose dependency is in nobody’s list',
      prepare: () => writeTree([{ name: 'lonely', release, depends: ['gone'], imports: ['gone_call'] }]),
      argv: ['-d', '/tmp/opt', 'lonely'],
      err: cannotInsert('lonely', unknownSymbol),
      dmesg: 'lonely: Unknown symbol gone_call (err -2)',
    },
    {
      title: 'a symbol that this kernel does not export',
      prepare: () => kernel.setMissingSymbols(['_printk']),
      argv: ['-d', '/tmp/opt', 'kmm_demo_dep'],
      err: cannotInsert('kmm_demo_dep', unknownSymbol),
      dmesg: 'kmm_demo_dep: Unknown symbol _printk (err -2)',
    },
    {
      title: 'a parameter that is no number',
      argv: ['-d', '/tmp/opt', 'kmm_demo', 'count=many'],
      err: cannotInsert('kmm_demo', 'Invalid argument'),
      dmesg: "kmm_demo: `many' invalid for parameter `count'",
    },
    {
      title: 'a parameter that is too large for its type',
      argv: ['-d', '/tmp/opt', 'kmm_demo', 'count=4294967296'],
      err: cannotInsert('kmm_demo', 'Numerical result out of range'),
      dmesg: "kmm_demo: `4294967296' invalid for parameter `count'",
    },
    {
      title: 'a parameter that the module itself refuses',
      argv: ['-d', '/tmp/opt', 'kmm_demo', 'count=101'],
      err: cannotInsert('kmm_demo', 'Invalid argument'),
      dmesg: 'kmm_demo: count is 101 and has to be from 0 to 100',
    },
    {
      title: 'firmware that is missing',
      argv: ['-d', '/tmp/opt', 'kmm_demo_fw'],
      err: cannotInsert('kmm_demo_fw', unknownSymbol),
      dmesg: 'platform kmm_demo_fw: Direct firmware load for kmm/demo.bin failed with error -2',
    },
    {
      title: 'an unsigned module where signatures are enforced',
      prepare: () => kernel.setEnforce(true),
      argv: ['-d', '/tmp/opt', 'kmm_demo_dep'],
      err: cannotInsert('kmm_demo_dep', 'Key was rejected by service'),
      dmesg: 'Loading of unsigned module is rejected',
    },
    {
      title: 'a module signed by somebody unknown where signatures are enforced',
      prepare: () => {
        kernel.setEnforce(true)
        cpSync(signed, join(nodeRoot, optTree, 'kmm_demo_dep.ko'))
      },
      argv: ['-d', '/tmp/opt', 'kmm_demo_dep'],
      err: cannotInsert('kmm_demo_dep', 'Key was rejected by service'),
      dmesg: 'Loading of module with unavailable key is rejected',
    },
    {
      title: 'a kernel that takes no modules',
      prepare: () => kernel.setModulesDisabled(true),
      argv: ['-d', '/tmp/opt', 'kmm_demo_dep'],
      err: cannotInsert('kmm_demo_dep', 'Operation not permitted'),
    },
    {
      title: 'a container without the capability',
      prepare: () => writeFileSync(join(nodeRoot, '.container.json'), '{"capabilities":[]}'),
      argv: ['-d', '/tmp/opt', 'kmm_demo_dep'],
      err: cannotInsert('kmm_demo_dep', 'Operation not permitted'),
    },
    {
      title: 'a module whose init fails',
      prepare: () => kernel.setBehaviour('kmm_demo_dep', { failInit: 'ENODEV' }),
      argv: ['-d', '/tmp/opt', 'kmm_demo'],
      err: cannotInsert('kmm_demo', 'No such device'),
    },
    { title: 'no module', argv: ['-v'], err: 'modprobe: ERROR: missing parameters. See -h.' },
    { title: 'an unknown option', argv: ['--bogus', 'x'], err: "modprobe: unrecognized option '--bogus'" },
    { title: 'an unknown letter', argv: ['-z', 'x'], err: "modprobe: invalid option -- 'z'" },
    { title: 'an option without its value', argv: ['x', '-vd'], err: "modprobe: option requires an argument -- 'd'" },
    {
      title: 'removal of a module that nobody knows',
      argv: ['-rvd', '/tmp/opt', 'nope'],
      err: 'modprobe: FATAL: Module nope not found.',
    },
    {
      title: 'removal for the first time of what is not there',
      argv: ['-r', '--first-time', '-d', '/tmp/opt', 'kmm_demo'],
      err: 'modprobe: FATAL: Module kmm_demo is not in kernel.',
    },
  ]

  /** What the kernel has said but for what it says of any module that is not its own, and what the dependency prints. */
  const dmesgOfCase = (): string[] => kernel.dmesg().filter((line) => !/taint|ready to count/.test(line))

  it.each(cases)('$title', async ({ prepare, argv, err, dmesg }) => {
    prepare?.()
    const result = await modprobe(...argv)
    expect([result.err, result.status]).toEqual([[err], 1])
    expect(dmesgOfCase().at(-1)).toBe(dmesg)
    expect(names().filter((name) => name !== 'kmm_demo_dep')).toEqual([])
  })

  it('ignores an unknown parameter with a line in dmesg', async () => {
    expect(await modprobe('-d', '/tmp/opt', 'kmm_demo', 'colour=red')).toMatchObject({ status: 0, err: [] })
    expect(dmesgOfCase()).toEqual(["kmm_demo: unknown parameter 'colour' ignored"])
  })

  it('loads firmware from the class path first, and does without where the module can', async () => {
    expect((await modprobe('-d', '/tmp/opt', 'kmm_demo_fw', 'optional')).status).toBe(0)
    await modprobe('-rd', '/tmp/opt', 'kmm_demo_fw')
    mkdirSync(join(nodeRoot, 'var/lib/firmware/kmm'), { recursive: true })
    writeFileSync(join(nodeRoot, 'var/lib/firmware/kmm/demo.bin'), 'firmware')
    expect((await modprobe('-d', '/tmp/opt', 'kmm_demo_fw')).status).toBe(1)
    kernel.setFirmwarePath('/var/lib/firmware')
    expect((await modprobe('-d', '/tmp/opt', 'kmm_demo_fw')).status).toBe(0)
  })

  it('accepts a signature of a trusted key where signatures are enforced, and no other bytes under it', async () => {
    kernel.setEnforce(true)
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    kernel.trustCertificate(publicKey.export({ type: 'spki', format: 'pem' }).toString())
    const file = join(nodeRoot, optTree, 'kmm_demo_dep.ko')
    const plain = readFileSync(file)
    const signature = appendedSignature(sign('sha256', plain, privateKey))
    const changed = Buffer.from(plain)
    changed.writeUInt8(changed.readUInt8(70) ^ 1, 70)
    writeFileSync(file, Buffer.concat([changed, signature]))
    expect((await modprobe('-d', '/tmp/opt', 'kmm_demo_dep')).status).toBe(1)
    writeFileSync(file, Buffer.concat([plain, signature]))
    expect((await modprobe('-d', '/tmp/opt', 'kmm_demo_dep')).status).toBe(0)
    expect(kernel.loadedModules()).toMatchObject([{ taint: 'O' }])
  })
})

describe('removing', () => {
  beforeEach(async () => {
    await modprobe('-d', '/tmp/opt', 'kmm_demo')
  })

  it('removes a module and the dependency that nobody needs any more', async () => {
    expect(await modprobe('-rvd', '/tmp/opt', 'kmm-demo')).toEqual({
      out: ['rmmod kmm_demo', 'rmmod kmm_demo_dep'],
      err: [],
      status: 0,
    })
    expect([names(), kernel.removals('kmm_demo')]).toEqual([[], 1])
    expect(() => readFileSync(join(nodeRoot, 'sys/module/kmm_demo/initstate'))).toThrow('ENOENT')
  })

  it('is content when the module is not loaded', async () => {
    expect(await modprobe('-rvd', '/tmp/opt', 'kmm_demo_fw')).toEqual({ out: [], err: [], status: 0 })
  })

  it('stops at the first of several that is in use', async () => {
    const result = await modprobe('-rvd', '/tmp/opt', 'kmm_demo_dep', 'kmm_demo')
    expect(result).toEqual({ out: [], err: ['modprobe: FATAL: Module kmm_demo_dep is in use.'], status: 1 })
    kernel.setInUse('kmm_demo', 2)
    expect((await modprobe('-rd', '/tmp/opt', 'kmm_demo')).err).toEqual(['modprobe: FATAL: Module kmm_demo is in use.'])
    expect(readFileSync(join(nodeRoot, 'sys/module/kmm_demo/refcnt'), 'utf8')).toBe('2\n')
    kernel.setInUse('kmm_demo', 0)
    expect((await modprobe('-rd', '/tmp/opt', 'kmm_demo', 'kmm_demo_dep')).status).toBe(0)
    expect(names()).toEqual([])
  })

  it('waits for a busy module with -w, and gives up without a word', async () => {
    kernel.setInUse('kmm_demo', 'someone')
    const result = await modprobe('-rd', '/tmp/opt', '-w', '5', 'kmm_demo')
    expect(result).toEqual({ out: [], err: [], status: 0 })
    expect(names()).toContain('kmm_demo')
  })

  it('removes holders where it is told to', async () => {
    const result = await modprobe('-rvd', '/tmp/opt', '--remove-holders', 'kmm_demo_dep')
    expect([result.out.slice(0, 2), names()]).toEqual([['rmmod kmm_demo', 'rmmod kmm_demo_dep'], []])
  })

  it('removes what a module pulled in by soft dependency, and keeps what is in use with a word', async () => {
    writeFileSync(join(nodeRoot, 'etc/modprobe.d/softdep.conf'), 'softdep kmm_demo pre: kmm_demo_fw\n')
    await modprobe('-d', '/tmp/opt', 'kmm_demo_fw', 'optional=1')
    kernel.setInUse('kmm_demo_fw', 1)
    expect(await modprobe('-rvd', '/tmp/opt', 'kmm_demo')).toEqual({
      out: ['rmmod kmm_demo', 'rmmod kmm_demo_dep'],
      err: ['modprobe: FATAL: Module kmm_demo_fw is in use.'],
      status: 0,
    })
  })

  it('reports a removal that the kernel refuses', async () => {
    kernel.setModulesDisabled(true)
    expect((await modprobe('-rd', '/tmp/opt', 'kmm_demo')).err).toEqual([
      "modprobe: ERROR: ../libkmod/libkmod-module.c:856 kmod_module_remove_module() could not remove 'kmm_demo': Operation not permitted",
    ])
  })

  it('says of a builtin module that it is one, and loads it without a word', async () => {
    nodeRoot = join(folder, 'other')
    kernel = new VirtualKernel({ nodeRoot, release, builtin: ['kmm-builtin'] })
    expect(await modprobe('-rv', 'kmm_builtin')).toEqual({
      out: [],
      err: ['modprobe: FATAL: Module kmm_builtin is builtin.'],
      status: 1,
    })
    expect(await modprobe('-v', 'kmm_builtin')).toEqual({ out: [], err: [], status: 0 })
  })

  it('removes in-tree modules by the host’s own tree', async () => {
    kernel.insertInTree('intree_a', { srcversion: 'AAAA' })
    expect(kernel.loadedModules()).toMatchObject([{ name: 'intree_a', taint: '', srcversion: 'AAAA' }, {}, {}])
    expect(await modprobe('-rv', 'intree_a', 'not_there')).toEqual({
      out: ['rmmod intree_a'],
      err: ['modprobe: FATAL: Module not_there not found.'],
      status: 1,
    })
  })
})
