import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writePackageTypes } from './package-types.ts'
import { run } from './run.ts'

describe("the package's declarations", () => {
  let folder = ''
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'package-types-'))
    await writePackageTypes(folder)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const compile = async (source: string): Promise<string> => {
    writeFileSync(join(folder, 'consumer.mts'), source)
    const options = ['--ignoreConfig', '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023']
    const { output } = await run('node_modules/.bin/tsc', [...options, join(folder, 'consumer.mts')])
    return output
  }

  it('let another program call the functions', async () => {
    const calls = ['getKernelModuleReadyNodeLabel', 'getKernelModuleVersionReadyNodeLabel', 'getModuleVersionLabelName']
    const lines = calls.map((name) => `export const ${name}: string = labels.${name}('namespace', 'name')`)
    expect(await compile(`import * as labels from './labels.js'\n${lines.join('\n')}\n`)).toBe('')
  })

  it('refuse wrong arguments, and what the entry does not export', async () => {
    const source = `import * as labels from './labels.js'
      labels.getKernelModuleReadyNodeLabel(1, 'name')
      labels.getModuleInUseLabel('namespace', 'name')\n`
    const output = await compile(source)
    expect(output).toContain('TS2345')
    expect(output).toContain('TS2339')
  })
})
