import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { buildBinaries, readSources } from './build.ts'

let folder = ''
let told: string[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-build-'))
  told = []
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A `go` that writes its arguments to the file that it is to build. */
const honest = `
  const { argv } = process
  require('node:fs').writeFileSync(argv[argv.indexOf('-o') + 1], argv.slice(2).join(' '))
`

async function build(program = honest): Promise<void> {
  const bin = join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, 'go'), `#!${process.execPath}\n${program}`, { mode: 0o755 })
  const sources = await readSources('test/cluster')
  const tell = (line: string): void => void told.push(line)
  await buildBinaries({ sources, cache: join(folder, 'cache'), environment: { PATH: bin }, tell })
}

const inCache = (...path: string[]): string => join(folder, 'cache/kubernetes', ...path)

it('builds the version that go.mod names, once, under the name of each command', async () => {
  const { version } = await readSources('test/cluster')
  await build()
  const built = readFileSync(inCache(version, 'bin/control-plane'), 'utf8')
  expect(built).toContain('-trimpath')
  expect(built).toContain(`version.gitVersion=${version}`)
  expect(readlinkSync(inCache(version, 'bin/kube-scheduler'))).toBe('control-plane')
  expect(readFileSync(inCache(version, 'bin/kubelet'), 'utf8')).toContain('./kubelet')
  expect(told[0]).toContain('about ten minutes the first time')
  await build('process.exit(1)')
  expect(told).toHaveLength(2)
})

it('builds anew what was built from other sources', async () => {
  const { version, digest } = await readSources('test/cluster')
  mkdirSync(inCache(version, 'bin'), { recursive: true })
  writeFileSync(inCache(version, 'sources'), 'other')
  await build()
  expect(readFileSync(inCache(version, 'sources'), 'utf8')).toBe(digest)
  expect(readdirSync(inCache())).toEqual([version])
})

it('may be done twice at a time', async () => {
  await Promise.all([build(), build()])
  expect(readdirSync(inCache())).toHaveLength(1)
})

it('says what go said when that fails, and leaves nothing', async () => {
  const failing = `console.error('k8s.io/api'); console.error('x.go:1:2: no such thing'); process.exit(2)`
  await expect(build(failing)).rejects.toThrow('go build of control-plane ended with status 2: x.go:1:2: no such thing')
  expect(readdirSync(inCache())).toEqual([])
})
