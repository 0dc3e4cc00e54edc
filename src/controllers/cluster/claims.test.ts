import { expect, it } from 'vitest'
import { createClaims } from './claims.ts'

it('claims Modules for as long as any write that names them is under way, however it ends', async () => {
  const claims = createClaims()
  const seen: boolean[] = []
  await claims.hold(['a/b', 'a/c'], async () => {
    seen.push(claims.has('a/b'), claims.has('a/c'), claims.has('a/d'))
    await expect(claims.hold(['a/b'], () => Promise.reject(new Error('refused')))).rejects.toThrow('refused')
    seen.push(claims.has('a/b'))
  })
  expect([...seen, claims.has('a/b'), claims.has('a/c')]).toEqual([true, true, false, true, false, false])
})
