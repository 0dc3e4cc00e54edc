import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SigningFixture, signedByOther, unsignedModule } from '../../test/signing-fixture.ts'
import { directory, file } from '../../test/tar-builder.ts'
import type { Fault, RegistryRequest } from '../sandbox/registry/types.ts'
import type { SignImageOptions } from './sign-image.ts'

let fixture: SigningFixture
beforeEach(async () => {
  fixture = await SigningFixture.start()
})
afterEach(async () => {
  expect(fixture.leftovers).toEqual([])
  await fixture.stop()
})

const module = 'opt/lib/modules/6.1.0/a.ko'
const lower = [directory('etc'), file('etc/os-release', 'base')]
const digestOf = async (name: string): Promise<string> => (await fixture.manifest(name)).digest

/** Signs into a registry that has nothing of the image, so that every kind of request is made; answers those. */
async function signElsewhere(
  more: Partial<SignImageOptions> = {},
): Promise<{ digest: string; asked: RegistryRequest[] }> {
  const before = fixture.registry.requests.length
  const { digest } = await fixture.sign([`/${module}`], more)
  return { digest, asked: fixture.registry.requests.slice(before) }
}

describe('signing an image', () => {
  it.each<[string, Fault['action']]>([
    ['cuts a connection', { do: 'reset' }],
    ['is overloaded', { do: 'unavailable' }],
    ['asks to wait', { do: 'tooManyRequests', retryAfter: '0' }],
    ['ends an answer early', { do: 'truncate', afterBytes: 10 }],
  ])('succeeds though the registry %s, whichever request it is', async (_what, action) => {
    await fixture.push([lower, [file(module, unsignedModule)]])
    const { digest, asked } = await signElsewhere({ target: fixture.place('kmods/first:v1') })
    const kinds = new Map(asked.map(({ kind, method }) => [`${method} ${kind}`, { kind, method }]))
    expect([...kinds.keys()]).toEqual([
      'GET manifest',
      'GET blob',
      'HEAD blob',
      'POST upload',
      'PUT upload',
      'PUT manifest',
    ])
    for (const [index, request] of [...kinds.values()].entries()) {
      const lift = fixture.registry.fail({ action, ...request, times: 1 })
      const again = await signElsewhere({ target: fixture.place(`kmods/again${index}:v1`) })
      expect(again.digest).toBe(digest)
      expect(await digestOf(`kmods/again${index}:v1`)).toBe(digest)
      lift()
    }
  })

  it('that is stopped at any request leaves the tag as it was, or done', async () => {
    await fixture.push([lower, [file(module, signedByOther)]])
    const { digest: old, asked } = await signElsewhere()
    await fixture.push([lower, [file(module, unsignedModule)]])
    for (let count = 1; count < asked.length; count += 1) {
      const stop = new AbortController()
      const [before, { requests }] = [fixture.registry.requests.length, fixture.registry]
      void fixture.registry.waitForRequest(() => requests.length >= before + count).then(() => stop.abort())
      const outcome = await signElsewhere({ signal: stop.signal }).then(
        ({ digest }) => digest,
        (error: unknown) => (error as { code?: string }).code,
      )
      const hasPushed = requests.slice(before).some(({ method, kind }) => method === 'PUT' && kind === 'manifest')
      const tag = await digestOf('kmods/signed:v1')
      if (!hasPushed) expect({ outcome, tag }).toEqual({ outcome: 'Aborted', tag: old })
      else if (outcome !== 'Aborted') expect(outcome).toBe(tag)
    }
    expect((await signElsewhere()).digest).toBe(await digestOf('kmods/signed:v1'))
    expect(await digestOf('kmods/signed:v1')).not.toBe(old)
  })

  it('within a repository, and in place, sends nothing but what is new', async () => {
    const { digest } = await fixture.push([lower, [file(module, unsignedModule)]])
    for (const target of ['kmods/unsigned:signed', 'kmods/unsigned:v1']) {
      const { asked, digest: signed } = await signElsewhere({ target: fixture.place(target) })
      expect(signed).not.toBe(digest)
      expect(await digestOf(target)).toBe(signed)
      expect(asked.filter(({ path }) => path.includes('mount='))).toEqual([])
      const blobs = asked.filter(({ method, kind }) => method === 'GET' && kind === 'blob')
      expect(blobs).toHaveLength(2)
      // The layer with the module and the configuration; the second time they are there.
      const sent = asked.filter(({ method, kind }) => method === 'PUT' && kind === 'upload')
      expect(sent).toHaveLength(target.endsWith('signed') ? 2 : 0)
    }
  })
})
