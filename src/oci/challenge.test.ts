import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseChallenges } from './challenge.ts'

describe('a WWW-Authenticate header', () => {
  it.each([
    ['Basic realm="x"', [{ scheme: 'basic', parameters: { realm: 'x' } }]],
    ['Negotiate', [{ scheme: 'negotiate', parameters: {} }]],
    [
      'Bearer realm="https://auth.io/token",service="reg, or=istry",scope="repository:a/b:pull,push"',
      [
        {
          scheme: 'bearer',
          parameters: { realm: 'https://auth.io/token', service: 'reg, or=istry', scope: 'repository:a/b:pull,push' },
        },
      ],
    ],
    [
      'Negotiate YWJj==, Basic realm="a\\"b\\\\c", charset=UTF-8 , BEARER Realm = "https://x"',
      [
        { scheme: 'negotiate', parameters: {} },
        { scheme: 'basic', parameters: { realm: 'a"b\\c', charset: 'UTF-8' } },
        { scheme: 'bearer', parameters: { realm: 'https://x' } },
      ],
    ],
    ['Bearer realm="a",realm="b"', [{ scheme: 'bearer', parameters: { realm: 'a' } }]],
    ['Bearer realm="never closed', [{ scheme: 'bearer', parameters: {} }]],
    [',,Basic realm=x,,', [{ scheme: 'basic', parameters: { realm: 'x' } }]],
    ['', []],
    ['"', []],
  ])('%s is read', (header, challenges) => {
    expect(parseChallenges(header).slice(0, challenges.length)).toEqual(challenges)
  })

  it('may come several times', () => {
    const schemes = parseChallenges(['Basic realm="x"', 'Bearer realm="y"']).map((each) => each.scheme)
    expect(schemes).toEqual(['basic', 'bearer'])
  })

  it('that is absent or too long has no challenges', () => {
    expect(parseChallenges(undefined)).toEqual([])
    expect(parseChallenges(`Basic realm="${'x'.repeat(20_000)}"`)).toEqual([])
  })

  it('that was written from challenges is read back', () => {
    const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/)
    const challenge = fc.record({
      scheme: token,
      parameters: fc.dictionary(token, fc.string({ unit: 'grapheme-ascii' }), {
        minKeys: 1,
        maxKeys: 4,
        noNullPrototype: true,
      }),
    })
    const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`
    fc.assert(
      fc.property(fc.array(challenge, { maxLength: 4 }), fc.constantFrom(', ', ','), (challenges, comma) => {
        const header = challenges
          .map(({ scheme, parameters }) =>
            [
              scheme,
              Object.entries(parameters)
                .map(([name, value]) => `${name}=${quote(value)}`)
                .join(comma),
            ].join(' '),
          )
          .join(comma)
        expect(parseChallenges(header)).toEqual(challenges)
      }),
    )
  })

  it('of any text is read without an error, in bounded time and size', () => {
    const piece = fc.constantFrom('Bearer', ' ', ',', '=', '"', '\\', 'realm', 'a', '==', '\t', '\u0000', 'é')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 200 }).map((each) => each.join('')),
        ),
        (text) => {
          expect(parseChallenges(text).length).toBeLessThanOrEqual(16)
        },
      ),
      { numRuns: 1000 },
    )
  })
})
