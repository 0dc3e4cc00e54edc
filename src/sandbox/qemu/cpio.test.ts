import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { buildCpio } from './cpio.ts'

const archive = buildCpio([
  { path: 'init', content: Buffer.from('#!/bin/sh\n'), mode: 0o755 },
  { path: 'a/b/c', content: Buffer.from('odd') },
])

it('writes each folder once, before what is in it, and ends as the kernel wants it', () => {
  const names = [...archive.toString('latin1').matchAll(/070701[0-9a-f]{104}([^\0]+)\0/g)].map((match) => match[1])
  expect(names).toEqual(['a', 'a/b', 'init', 'a/b/c', 'TRAILER!!!'])
  expect(archive.length % 4).toBe(0)
})

it.skipIf(spawnSync('cpio', ['--version']).status !== 0)('is unpacked by cpio with content and modes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kmm-cpio-'))
  try {
    expect(spawnSync('cpio', ['-id', '--quiet'], { cwd: folder, input: archive }).status).toBe(0)
    expect(readFileSync(join(folder, 'a/b/c'), 'utf8')).toBe('odd')
    expect(statSync(join(folder, 'init')).mode & 0o777).toBe(0o755)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
