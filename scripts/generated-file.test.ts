import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findLeftovers, findOutdated, writeGenerated } from './generated-file.ts'

const files = [
  { path: 'out/a.yaml', text: 'a\n' },
  { path: 'out/b.yaml', text: 'b\n' },
]

describe('generated files', () => {
  let root = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'generated-'))
    mkdirSync(join(root, 'out'))
    writeFileSync(join(root, 'out/a.yaml'), 'old\n')
    writeFileSync(join(root, 'out/c.yaml'), 'c\n')
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  it('are named when they are absent, differ, or are left over', () => {
    expect(findOutdated(root, files)).toEqual(['out/a.yaml', 'out/b.yaml'])
    expect(findLeftovers(root, files, ['out', 'nowhere'])).toEqual(['out/c.yaml'])
  })

  it('are up to date once they were written', () => {
    expect(writeGenerated(root, files, ['out'])).toEqual(['out/a.yaml', 'out/b.yaml', 'out/c.yaml'])
    expect(readFileSync(join(root, 'out/a.yaml'), 'utf8')).toBe('a\n')
    expect(existsSync(join(root, 'out/c.yaml'))).toBe(false)
    expect(writeGenerated(root, files, ['out'])).toEqual([])
  })
})
