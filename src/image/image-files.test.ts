import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildTar, file, type TestEntry } from '../../test/tar-builder.ts'
import type { ExtractLimits } from '../oci/extract-limits.ts'
import { parseFileWishes } from './file-wish.ts'
import { collectImageFiles } from './image-files.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-files-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

async function collect(entries: TestEntry[], limits: Partial<ExtractLimits>): Promise<string> {
  const archive = buildTar(entries)
  const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: 'sha256:0', size: archive.length }
  const layers = [{ descriptor, open: () => Promise.resolve(Readable.from([archive], { objectMode: false })) }]
  const where = { dirName: '/opt', folder, log: () => undefined, signal: new AbortController().signal }
  return collectImageFiles({ layers, wishes: parseFileWishes(['/opt/*.ko'], '/opt'), limits, ...where }).then(
    ({ files }) => `${files.length} files`,
    (error: unknown) => (error as { code: string }).code,
  )
}

describe('the files of an image', () => {
  const entries = [file('opt/a.ko', Buffer.alloc(6000)), file('opt/b.ko', Buffer.alloc(6000)), file('opt/note', 'x')]

  it.each<[string, Partial<ExtractLimits>, string]>([
    ['are copied', {}, '2 files'],
    ['as large as may be are copied', { bytes: 12_000, entries: 2, scannedEntries: 3 }, '2 files'],
    ['that are larger are refused', { bytes: 11_999 }, 'LimitExceeded'],
    ['that are more are refused', { entries: 1 }, 'LimitExceeded'],
    ['among too many others are refused', { scannedEntries: 2 }, 'LimitExceeded'],
    ['in too large a layer are refused', { scannedBytes: 10_000 }, 'LimitExceeded'],
  ])('%s', async (_what, limits, outcome) => {
    expect(await collect(entries, limits)).toBe(outcome)
  })
})
