import { existsSync, lstatSync, mkdtempSync, readFileSync, readlinkSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { layerOf, layerOfBytes, storeAsZstd, storeAsZstdFrames } from '../../test/layer-builder.ts'
import { buildTar, directory, file, hardLink, symbolicLink } from '../../test/tar-builder.ts'
import { type ExtractReport, extractImage, type LayerSource } from './extract.ts'

const kernel = '6.1.0-56-amd64'
const modules = `opt/lib/modules/${kernel}`

let folder: string
let destination: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-extract-'))
  destination = join(folder, 'image')
})
afterEach(() => rmSync(folder, { recursive: true }))

const extract = (layers: LayerSource[], wanted = [`/${modules}`, '/firmware']): Promise<ExtractReport> =>
  extractImage({
    layers,
    destination,
    wanted,
    hostLink: `/host/lib/modules/${kernel}`,
    signal: new AbortController().signal,
  })

/** Every path below the destination, directories with a slash, links with their text. */
function listDestination(): string[] {
  return readdirSync(destination, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name).slice(destination.length + 1)
      if (entry.isSymbolicLink()) return `${path} -> ${readlinkSync(join(destination, path))}`
      return entry.isDirectory() ? `${path}/` : path
    })
    .filter((path) => !path.endsWith('/') || readdirSync(join(destination, path)).length === 0)
    .sort()
}

const read = (path: string): string => readFileSync(join(destination, path), 'utf8')

describe('what is extracted', () => {
  it('is the two wanted trees, whatever else a distribution keeps in its layers', async () => {
    const report = await extract([
      layerOf(
        directory('usr/'),
        { name: 'dev/null', type: '3' },
        { name: 'dev/sda', type: '4' },
        { name: 'run/fifo', type: '6' },
        { name: 'usr/bin/su', content: 'setuid', mode: 0o4755 },
        symbolicLink('bin', 'usr/bin'),
        symbolicLink('etc/alternatives/x', '/../../etc/passwd'),
        hardLink('usr/bin/gunzip', '/usr/bin/uncompress'),
        { name: 'usr/sparse', type: 'S', content: 'x' },
        { name: 'usr/share/.wh.doc', content: '' },
        file('opt/lib/modules/5.10/other.ko'),
        file(`opt/lib/modules/${kernel}-rt/other.ko`),
        file(`./${modules}/a.ko`, 'A'),
        file('/firmware/b.bin', 'B'),
        file('firmware2/c.bin'),
      ),
    ])
    expect(listDestination()).toEqual(['firmware/b.bin', `${modules}/a.ko`])
    expect(read(`${modules}/a.ko`)).toBe('A')
    expect(report).toMatchObject({ found: { [`/${modules}`]: true, '/firmware': true }, bytes: 2, droppedLinks: [] })
  })

  it('is reported as missing where the image lacks a tree', async () => {
    const report = await extract([layerOf(file('firmware/x'))])
    expect(report.found).toEqual({ [`/${modules}`]: false, '/firmware': true })
  })

  it('keeps no set-id or sticky bits and no write permission for others', async () => {
    await extract([layerOf(file(`${modules}/a.ko`, 'A', 0o7777), file(`${modules}/b.ko`, 'B', 0))])
    expect(lstatSync(join(destination, modules, 'a.ko')).mode & 0o7777).toBe(0o755)
    expect(lstatSync(join(destination, modules, 'b.ko')).mode & 0o7777).toBe(0o400)
  })

  it('has long names, in both ways in which archives write them', async () => {
    const long = `${modules}/${'d'.repeat(90)}/${'e'.repeat(90)}.ko`
    const gnu = `${modules}/${'g'.repeat(120)}.ko`
    await extract([
      layerOf(file(long), { name: '././@LongLink', type: 'L', content: `${gnu}\0` }, file(gnu.slice(0, 100))),
    ])
    expect(listDestination()).toEqual([long, gnu])
  })

  it.each([
    ['plain', (tar: Buffer) => tar],
    ['zstd', storeAsZstd],
    ['zstd of several frames', storeAsZstdFrames],
  ])('is read from %s layers too', async (_, compress) => {
    const content = Buffer.alloc(3_000_000, 'some text ')
    const tar = buildTar([file(`${modules}/a.ko`, content), file('usr/other', content)])
    await extract([layerOfBytes(compress(tar), 1000)])
    expect(readFileSync(join(destination, modules, 'a.ko')).equals(content)).toBe(true)
  })
})

describe('layers', () => {
  const base = layerOf(
    file(`${modules}/a.ko`, 'old'),
    file(`${modules}/extra/b.ko`),
    file(`${modules}/extra/c.ko`),
    file('firmware/f.bin'),
  )

  it('replace what earlier ones hold', async () => {
    await extract([base, layerOf(file(`${modules}/a.ko`, 'new'), file(`${modules}/extra`, 'now a file'))])
    expect(read(`${modules}/a.ko`)).toBe('new')
    expect(listDestination()).toEqual(['firmware/f.bin', `${modules}/a.ko`, `${modules}/extra`])
  })

  it('hide files and directories of earlier ones, and never their own', async () => {
    await extract([
      base,
      layerOf(file(`${modules}/extra/new.ko`), file(`${modules}/.wh.extra`, ''), file(`${modules}/.wh.a.ko`, '')),
    ])
    expect(listDestination()).toEqual(['firmware/f.bin', `${modules}/extra/new.ko`])
  })

  it('hide the whole content of a directory by an opaque mark, wherever in the layer that stands', async () => {
    await extract([base, layerOf(file(`${modules}/extra/new.ko`), file(`${modules}/extra/.wh..wh..opq`, ''))])
    expect(listDestination()).toEqual(['firmware/f.bin', `${modules}/a.ko`, `${modules}/extra/new.ko`])
  })

  it.each([
    ['a whiteout of a directory above', file('opt/.wh.lib', '')],
    ['an opaque directory above', file('opt/.wh..wh..opq', '')],
    ['a whiteout of the tree itself', file(`opt/lib/modules/.wh.${kernel}`, '')],
    ['a file in place of a directory above', file('opt', 'x')],
  ])('hide a wanted tree by %s', async (_, entry) => {
    await extract([base, layerOf(entry)])
    expect(listDestination().filter((path) => path.endsWith('.ko'))).toEqual([])
  })

  it('replace a link by a directory without writing where the link led', async () => {
    await extract([
      layerOf(file(`${modules}/a/x`, 'X'), symbolicLink(`${modules}/b`, 'a')),
      layerOf(directory(`${modules}/b/`), file(`${modules}/b/x`, 'Y')),
    ])
    expect(read(`${modules}/a/x`)).toBe('X')
    expect(read(`${modules}/b/x`)).toBe('Y')
  })

  it('leave the other name of a hard link as it was when they replace one', async () => {
    await extract([
      layerOf(file(`${modules}/a.ko`, 'A'), hardLink(`${modules}/b.ko`, `${modules}/a.ko`)),
      layerOf(file(`${modules}/a.ko`, 'changed')),
    ])
    expect(read(`${modules}/b.ko`)).toBe('A')
  })
})

describe('links', () => {
  it.each([
    ['/lib/modules', 'as image authors write it'],
    ['/usr/lib/modules', 'on distributions with a merged /usr'],
    ['/host/lib/modules', 'by the mount of the worker'],
  ])('to the host’s modules at %s are kept (%s)', async (directoryOfHost) => {
    const report = await extract([layerOf(symbolicLink(`${modules}/host`, `${directoryOfHost}/${kernel}`))])
    expect(listDestination()).toEqual([`${modules}/host -> /host/lib/modules/${kernel}`])
    expect(report.droppedLinks).toEqual([])
  })

  it('inside are kept, and absolute ones become relative', async () => {
    await extract([
      layerOf(
        file(`${modules}/extra/a.ko`, 'A'),
        symbolicLink(`${modules}/updates/a.ko`, '../extra/a.ko'),
        symbolicLink(`${modules}/b.ko`, `/${modules}/extra/a.ko`),
        symbolicLink(`${modules}/fw`, '/firmware/x'),
      ),
    ])
    expect(listDestination()).toEqual([
      `${modules}/b.ko -> extra/a.ko`,
      `${modules}/extra/a.ko`,
      `${modules}/fw -> ../../../../firmware/x`,
      `${modules}/updates/a.ko -> ../extra/a.ko`,
    ])
    expect(read(`${modules}/updates/a.ko`)).toBe('A')
  })

  it.each([
    '/etc/passwd',
    '../../../../../../../../etc/passwd',
    '../../../../../../../..',
    '../../../../usr/src/linux',
    `/host/lib/modules/${kernel}/../../../etc`,
    `/host/lib/modules/${kernel}-rt`,
    '/host/lib/modules',
    '/',
    '',
  ])('that lead out to %j are not created and are reported', async (target) => {
    const report = await extract([layerOf(file(`${modules}/a.ko`), symbolicLink(`${modules}/link`, target))])
    expect(listDestination()).toEqual([`${modules}/a.ko`])
    expect(report.droppedLinks).toMatchObject([{ path: `/${modules}/link`, target }])
  })

  it('that were left out and then replaced are not reported', async () => {
    const report = await extract([
      layerOf(symbolicLink(`${modules}/build`, '/usr/src/linux')),
      layerOf(file(`${modules}/build`, 'a file')),
    ])
    expect(read(`${modules}/build`)).toBe('a file')
    expect(report.droppedLinks).toEqual([])
  })

  it('through other links cannot be combined into a way out', async () => {
    await extract([
      layerOf(
        symbolicLink(`${modules}/here`, '.'),
        symbolicLink(`${modules}/out`, 'here/here/here/here/here/here/here/../../../../../../../x'),
      ),
    ])
    expect(readlinkSync(join(destination, modules, 'out'))).toBe('x')
  })

  it('that are hard link files of the tree', async () => {
    await extract([layerOf(file(`${modules}/a.ko`, 'A'), hardLink(`${modules}/b.ko`, `/${modules}/a.ko`))])
    expect(read(`${modules}/b.ko`)).toBe('A')
  })
})

describe('a directory above the wanted tree that is a link', () => {
  it('is followed inside the image, whichever of the two comes first', async () => {
    await extract(
      [layerOf(file(`usr/lib/modules/${kernel}/a.ko`, 'A'), symbolicLink('lib', 'usr/lib'))],
      [`/lib/modules/${kernel}`],
    )
    expect(listDestination()).toEqual([`lib/modules/${kernel}/a.ko`])
  })

  it('is followed over several steps and layers', async () => {
    await extract([
      layerOf(symbolicLink('opt', '/srv/opt'), symbolicLink('srv/opt', '../data/./opt')),
      layerOf(
        file(`data/opt/lib/modules/${kernel}/a.ko`, 'A'),
        symbolicLink(`data/opt/lib/modules/${kernel}/b.ko`, 'a.ko'),
      ),
    ])
    expect(listDestination()).toEqual([`${modules}/a.ko`, `${modules}/b.ko -> a.ko`])
  })

  it('may be the tree itself', async () => {
    await extract([layerOf(symbolicLink(modules, '../../../srv/ko'), file('srv/ko/a.ko', 'A'))])
    expect(listDestination()).toEqual([`${modules}/a.ko`])
  })

  it('counts no longer when a later layer has a directory there', async () => {
    await extract([
      layerOf(symbolicLink('opt', 'srv'), file(`srv/lib/modules/${kernel}/old.ko`)),
      layerOf(file('.wh.opt', ''), directory('opt'), file(`${modules}/new.ko`)),
    ])
    expect(listDestination()).toEqual([`${modules}/new.ko`])
  })

  it('never leads out of the image', async () => {
    const report = await extract([layerOf(symbolicLink('opt', '../../../../etc'))])
    expect(report.found[`/${modules}`]).toBe(false)
    expect(existsSync(join(destination, 'opt'))).toBe(false)
  })

  it('is refused when the links lead in a circle', async () => {
    await expect(extract([layerOf(symbolicLink('opt', 'srv'), symbolicLink('srv', 'opt'))])).rejects.toMatchObject({
      code: 'ImageInvalid',
    })
    expect(existsSync(destination)).toBe(false)
  })
})
