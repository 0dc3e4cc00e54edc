import { beforeEach, describe, expect, it } from 'vitest'
import { KmmError } from '../../errors/error.ts'
import { parseReference } from '../../oci/reference.ts'
import { createSilentRegistries, formatPlace, type SilentRegistries } from './silent-registries.ts'

function failWith(code: string): KmmError {
  const cause = Object.assign(new Error('it went wrong'), { code })
  return new KmmError('registry.test cannot be reached', { code: 'RegistryUnreachable', cause })
}

let nowMs: number
let registries: SilentRegistries
/** Who was really asked. */
let asked: string[]
beforeEach(() => {
  nowMs = 1_000_000
  asked = []
  registries = createSilentRegistries(() => nowMs)
})

function ask(place: string, outcome: Error | 'there' | Promise<'there'>): Promise<unknown> {
  return registries.ask(place, async () => {
    asked.push(place)
    if (outcome instanceof Error) throw outcome
    return outcome
  })
}

describe('a registry that does not answer in time', () => {
  const silence = failWith('UND_ERR_HEADERS_TIMEOUT')

  it('is asked once, and others are told what came of it, for half a minute', async () => {
    await expect(ask('a', silence)).rejects.toBe(silence)
    nowMs += 29_000
    await expect(ask('a', 'there')).rejects.toBe(silence)
    await expect(ask('b', 'there')).resolves.toBe('there')
    expect(asked).toEqual(['a', 'b'])
    nowMs += 1_000
    await expect(ask('a', 'there')).resolves.toBe('there')
    await expect(ask('a', 'there')).resolves.toBe('there')
  })

  it('is asked by one at a time until it answers', async () => {
    await expect(ask('a', silence)).rejects.toBe(silence)
    nowMs += 30_000
    let answer: (word: 'there') => void = () => undefined
    const first = ask('a', new Promise<'there'>((resolve) => (answer = resolve)))
    await expect(ask('a', 'there')).rejects.toBe(silence)
    answer('there')
    await expect(first).resolves.toBe('there')
    await expect(ask('a', 'there')).resolves.toBe('there')
    expect(asked).toHaveLength(3)
  })

  it('stays silent while it does not answer', async () => {
    for (let round = 0; round < 3; round++) {
      await expect(ask('a', silence)).rejects.toBe(silence)
      await expect(ask('a', 'there')).rejects.toBe(silence)
      nowMs += 30_000
    }
    expect(asked).toHaveLength(3)
  })
})

it.each(['ECONNREFUSED', 'ENOTFOUND', 'CERT_HAS_EXPIRED'])('is asked again at once after %s', async (code) => {
  await expect(ask('a', failWith(code))).rejects.toMatchObject({ code: 'RegistryUnreachable' })
  await expect(ask('a', 'there')).resolves.toBe('there')
})

it('is one for each way in which it is reached', () => {
  const reference = parseReference('registry.test/mod:1')
  const places = [{}, { insecure: true }, { insecureSkipTLSVerify: true }].map((tls) => formatPlace(reference, tls))
  expect(new Set(places).size).toBe(3)
  expect(formatPlace(parseReference('registry.test/other:2'))).toBe(places[0])
})
