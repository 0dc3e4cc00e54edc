import { describe, expect, it } from 'vitest'
import { measureCpuMs } from '../../test/cpu-time.ts'
import { parseModulesDep } from '../kmod/dependencies.ts'
import { type CheckFinding, checkImage, type CheckWish } from './check-image.ts'
import type { InspectedImage, InspectedKernel } from './inspect-image.ts'
import type { InspectedModule } from './inspect-module.ts'

const release = '6.1.0-56-amd64'
const signal = new AbortController().signal
const wish: CheckWish = {
  kernel: release,
  moduleName: undefined,
  architecture: 'amd64',
  dirName: '/opt',
  needsSignature: false,
  mayBeLoaded: true,
}

const buildModule = (path: string, depends: string[] = [], vermagic = `${release} SMP`): InspectedModule => ({
  name: path.slice(path.lastIndexOf('/') + 1).replace('.ko', ''),
  path: `/opt/lib/modules/${release}/${path}`,
  compression: 'none',
  info: {
    name: undefined,
    version: undefined,
    srcversion: undefined,
    license: undefined,
    description: undefined,
    vermagic,
    depends,
    firmware: [],
    aliases: [],
    parameters: [],
    inTree: false,
    architecture: 'amd64',
    signature: undefined,
  },
  problem: undefined,
  signer: undefined,
  isSignedByCertificate: undefined,
})

function buildImage(modules: InspectedModule[], index: string, parts: Partial<InspectedKernel> = {}): InspectedImage {
  const kernel = {
    release,
    modules,
    onNode: [],
    hostLinks: [],
    dependencies: parseModulesDep(index),
    hasBinaryIndex: true,
    builtin: new Set<string>(),
    ...parts,
  }
  return { digest: '', layers: 1, signedBy: undefined, kernels: [kernel], firmware: [] }
}

/** Modules of which each depends on those before it. */
function buildTree(modules: number, dependencies: number): InspectedImage {
  const paths = Array.from({ length: modules }, (_, at) => `kernel/m${at}.ko`)
  const lines = paths.map((path, at) => `${path}: ${paths.slice(Math.max(0, at - dependencies), at).join(' ')}`)
  return buildImage(
    paths.map((path) => buildModule(path)),
    lines.join('\n'),
  )
}

const pick = (findings: CheckFinding[], verdict: CheckFinding['verdict']): string[] =>
  findings.filter((each) => each.check === 'dependencies' && each.verdict === verdict).map(({ message }) => message)

describe('checking an image', () => {
  it('of a whole kernel takes little, and lets other work have its turn', async () => {
    const image = buildTree(6_000, 5)
    let [turns, isOver] = [0, false]
    const turn = (): void => {
      turns += 1
      if (!isOver) setImmediate(turn)
    }
    setImmediate(turn)
    let findings: CheckFinding[] = []
    const cpuMs = await measureCpuMs(async () => {
      findings = await checkImage(image, wish, signal)
    })
    isOver = true
    expect(findings.filter(({ check }) => check === 'vermagic')).toHaveLength(6_000)
    expect(turns).toBeGreaterThan(40)
    expect(cpuMs).toBeLessThan(3_000)
  })

  it('ends when it is to stop', async () => {
    const stop = new AbortController()
    const checking = checkImage(buildTree(6_000, 5), wish, stop.signal)
    stop.abort()
    await expect(checking).rejects.toMatchObject({ code: 'Aborted' })
  })

  it.each([
    ['modules', buildTree(20_001, 0), wish],
    ['dependencies', buildTree(1_500, 700), wish],
    ['dependencies', buildTree(2_000, 1_400), { ...wish, moduleName: 'm1999' }],
  ])('of more %s than any image has is refused', async (what, image, asked) => {
    const words = new RegExp(`\\d+ ${what}.* more than the \\d+ that are looked at: leave out`)
    await expect(checkImage(image, asked, signal)).rejects.toMatchObject({
      code: 'LimitExceeded',
      message: expect.stringMatching(words),
    })
  })

  it('says no more than fits, whatever a module says of itself', async () => {
    const endless = 'x'.repeat(100_000)
    const many = Array.from({ length: 5_000 }, (_, at) => `other${at}`)
    const image = buildImage([buildModule('a.ko', [endless, ...many], endless)], 'a.ko:')
    const findings = await checkImage(image, { ...wish, mayBeLoaded: false }, signal)
    expect(Math.max(...findings.map(({ message }) => message.length))).toBeLessThan(1_000)
    expect(pick(findings, 'failed')[0]).toContain('and 4981 more')
  })
})

describe('a module that needs another', () => {
  it('which modules.dep does not name has to find it loaded already', async () => {
    const image = buildImage([buildModule('extra/b.ko', ['drm'])], 'extra/b.ko:')
    const findings = await checkImage(image, { ...wish, moduleName: 'b' }, signal)
    expect(findings.filter(({ verdict }) => verdict === 'failed')).toEqual([])
    expect(pick(findings, 'warning')).toEqual([
      'b uses drm, which modules.dep does not name for it: it must be loaded already',
    ])
    const alone = await checkImage(image, { ...wish, moduleName: 'b', mayBeLoaded: false }, signal)
    expect(pick(alone, 'failed')).toEqual([expect.stringContaining('b needs drm, which the image does not have')])
  })

  it.each([
    ['with a line of its own', 'extra/b.ko: kernel/drm.ko\nkernel/drm.ko:'],
    ['without a line of its own', 'extra/b.ko: kernel/drm.ko'],
  ])('which modules.dep names %s would not load without the file', async (_what, index) => {
    const asked = { ...wish, moduleName: 'b' }
    const b = buildModule('extra/b.ko', ['drm'])
    const failed = pick(await checkImage(buildImage([b], index), asked, signal), 'failed')
    expect(failed).toEqual([expect.stringContaining('b needs kernel/drm.ko, which the image does not have')])
    const linked = buildImage([b], index, { hostLinks: ['kernel'] })
    expect(pick(await checkImage(linked, asked, signal), 'failed')).toEqual([])
    const whole = buildImage([b, buildModule('kernel/drm.ko')], index)
    expect(pick(await checkImage(whole, asked, signal), 'failed')).toEqual([])
  })
})
