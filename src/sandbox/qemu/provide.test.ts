import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { provideFolder } from './provide.ts'

const day = 24 * 3_600_000
let cache: string
const make = (folder: string): Promise<void> => writeFile(join(folder, 'x'), 'x')

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'kmm-provide-'))
})

afterEach(() => rmSync(cache, { recursive: true }))

describe('a folder of the cache', () => {
  it('is made once', async () => {
    await provideFolder(join(cache, 'a'), make)
    const folder = await provideFolder(join(cache, 'a'), () => Promise.reject(new Error('made twice')))
    expect(readdirSync(folder)).toEqual(['x'])
  })

  it('is not there, half or whole, when it cannot be made', async () => {
    const failing = provideFolder(join(cache, 'a'), () => Promise.reject(new Error('no room')))
    await expect(failing).rejects.toThrow('no room')
    expect(readdirSync(cache)).toEqual([])
  })

  it('goes when nobody has used it for two weeks and another is made', async () => {
    const now = Date.now()
    await provideFolder(join(cache, 'old'), make, now)
    await provideFolder(join(cache, 'used'), make, now)
    await provideFolder(join(cache, 'used'), make, now + 10 * day)
    await provideFolder(join(cache, 'new'), make, now + 15 * day)
    expect(readdirSync(cache).sort()).toEqual(['new', 'used'])
    expect(existsSync(join(cache, 'used/x'))).toBe(true)
  })
})
