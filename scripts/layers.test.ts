import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { findLayerProblems } from './layers.ts'

let src = ''
afterEach(() => rmSync(src, { recursive: true, force: true }))

function writeSources(files: Record<string, string>): string {
  src = mkdtempSync(join(tmpdir(), 'kmm-layers-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(src, path)), { recursive: true })
    writeFileSync(join(src, path), text)
  }
  return src
}

it('names an import that goes against the arrows, type imports included', () => {
  const problems = findLayerProblems(
    writeSources({
      'errors/error.ts': "import type { Module } from '../api/module.ts'\n",
      'api/module.ts': 'export interface Module {}\n',
    }),
  )
  expect(problems).toEqual(['errors/error.ts imports api/module.ts: errors/ must not import api/'])
})

it('names the files of an import cycle', () => {
  const problems = findLayerProblems(
    writeSources({
      'api/a.ts': "import { b } from './b.ts'\nexport const a = b\n",
      'api/b.ts': "import { a } from './a.ts'\nexport const b = a\n",
    }),
  )
  expect(problems).toEqual(['import cycle: api/a.ts → api/b.ts → api/a.ts'])
})

it('lets main import everything', () => {
  const problems = findLayerProblems(
    writeSources({ 'main/kmm.ts': "import { a } from '../worker/a.ts'\n", 'worker/a.ts': 'export const a = 1\n' }),
  )
  expect(problems).toEqual([])
})
