import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { measureCpuMs } from '../../test/cpu-time.ts'
import { hasCode } from '../errors/error.ts'
import { mergeCredentials, parseDockerConfig } from './credentials.ts'
import { parseReference } from './reference.ts'

const encode = (text: string): string => Buffer.from(text).toString('base64')

function findUser(auths: Record<string, unknown>, image: string): string | undefined {
  const { credentials } = parseDockerConfig(JSON.stringify({ auths }), 'dockerconfigjson')
  const found = credentials.find(parseReference(image))
  return found?.kind === 'basic' ? found.username : undefined
}

/** Entries whose user is their own key. */
const keyed = (...keys: string[]): Record<string, unknown> =>
  Object.fromEntries(keys.map((key) => [key, { username: key.replaceAll(':', '_'), password: 'word' }]))

describe('the credential for an image', () => {
  it.each([
    [['quay.io'], 'quay.io/a/b:v1', 'quay.io'],
    [['quay.io', 'quay.io/a', 'quay.io/a/b'], 'quay.io/a/b:v1', 'quay.io/a/b'],
    [['quay.io', 'quay.io/a'], 'quay.io/ab/c:v1', 'quay.io'],
    [['quay.io/a'], 'quay.io/b:v1', undefined],
    [['quay.io:5000'], 'quay.io/a:v1', undefined],
    [['quay.io'], 'quay.io:5000/a:v1', undefined],
    [['quay.io:5000'], 'quay.io:5000/a:v1', 'quay.io_5000'],
    [['*.example.com'], 'a.example.com/a:v1', '*.example.com'],
    [['*.example.com'], 'a.b.example.com/a:v1', undefined],
    [['*.example.com'], 'example.com/a:v1', undefined],
    [['*.example.com', 'a.example.com'], 'a.example.com/a:v1', 'a.example.com'],
    [['*.example.com/a', 'a.example.com'], 'a.example.com/a/b:v1', '*.example.com/a'],
    [['reg*.example.com'], 'reg-1.example.com/a:v1', 'reg*.example.com'],
    [['*.*.example.com:5000'], 'a.b.example.com:5000/a:v1', '*.*.example.com_5000'],
    [['QUAY.io'], 'quay.io/a:v1', 'QUAY.io'],
    [['https://quay.io'], 'quay.io/a:v1', 'https_//quay.io'],
    [['http://quay.io/v1/'], 'quay.io/a:v1', 'http_//quay.io/v1/'],
    [['quay.io/v2/a'], 'quay.io/a/b:v1', 'quay.io/v2/a'],
    [['quay.io/v2ray'], 'quay.io/v2ray/x:v1', 'quay.io/v2ray'],
    [['https://index.docker.io/v1/'], 'busybox', 'https_//index.docker.io/v1/'],
    [['index.docker.io'], 'org/app', 'index.docker.io'],
    [['docker.io'], 'docker.io/library/busybox', 'docker.io'],
    [['docker.io/org'], 'org/app', 'docker.io/org'],
    [['https://index.docker.io/v1/'], 'quay.io/library/busybox', undefined],
  ])('of %j for %s is %s', (keys, image, user) => {
    expect(findUser(keyed(...keys), image)).toBe(user)
  })

  it('comes from auth, where a colon belongs to the password, else from username and password', () => {
    const auths = {
      'a.io': { auth: encode('user:pass:word') },
      'b.io': { username: 'user', password: 'pass:word' },
      'c.io': { auth: `${encode('user:word')}\n`, username: 'ignored', password: 'ignored' },
      'd.io': { auth: encode('00000000-0000:'), identitytoken: 'token' },
      'e.io': { registrytoken: 'token' },
    }
    const { credentials, warnings } = parseDockerConfig(JSON.stringify({ auths }), 'dockerconfigjson')
    const find = (host: string) => credentials.find({ registry: host, repository: 'a' })
    expect(warnings).toEqual([])
    expect(find('a.io')).toEqual({ kind: 'basic', username: 'user', password: 'pass:word' })
    expect(find('b.io')).toEqual({ kind: 'basic', username: 'user', password: 'pass:word' })
    expect(find('c.io')).toEqual({ kind: 'basic', username: 'user', password: 'word' })
    expect(find('d.io')).toEqual({ kind: 'identityToken', token: 'token' })
    expect(find('e.io')).toEqual({ kind: 'registryToken', token: 'token' })
  })

  it('is read from the older dockercfg at the top level', () => {
    const text = JSON.stringify({ 'https://quay.io': { auth: encode('user:word'), email: 'a@b.c' } })
    const { credentials } = parseDockerConfig(text, 'dockercfg')
    expect(credentials.find(parseReference('quay.io/a'))).toMatchObject({ username: 'user' })
  })

  it('of several secrets is the most specific, the earlier secret first among equals, each once', () => {
    const store = (auths: Record<string, unknown>) =>
      parseDockerConfig(JSON.stringify({ auths }), 'dockerconfigjson').credentials
    const user = (username: string) => ({ username, password: 'x' })
    const merged = mergeCredentials([
      store({ 'quay.io': user('one') }),
      store({ 'quay.io': user('two'), 'quay.io/a': user('three') }),
      store({ 'quay.io': user('one') }),
    ])
    const found = merged.findAll(parseReference('quay.io/a/b'))
    expect(found.map((each) => (each.kind === 'basic' ? each.username : ''))).toEqual(['three', 'one', 'two'])
  })
})

describe('a pull secret', () => {
  it('with credential helpers is used without them, and says so', () => {
    const text = JSON.stringify({
      credsStore: 'ecr-login',
      credHelpers: { 'gcr.io': 'gcloud' },
      auths: { 'gcr.io': {}, 'quay.io': { auth: encode('user:word') } },
    })
    const { credentials, warnings } = parseDockerConfig(text, 'dockerconfigjson')
    expect(credentials.find(parseReference('gcr.io/a'))).toBeUndefined()
    expect(credentials.find(parseReference('quay.io/a'))).toBeDefined()
    expect(warnings.join()).toMatch(/"credHelpers".*ignored.*"credsStore".*ignored/)
  })

  it.each([
    [{ auth: '***' }, 'not base64'],
    [{ auth: encode('nocolon') }, 'not base64 of user:password'],
    [{ username: 'a:b', password: 'x' }, 'holds ":"'],
    [{ username: 7 }, 'is not a text'],
    ['text', 'not an object'],
    [{ registrytoken: 'a\r\nX-Evil: 1' }, 'characters that no token has'],
    [{ password: 'x'.repeat(70_000) }, 'too long'],
  ])('with the entry %j leaves it out with a warning and keeps the others', (entry, words) => {
    const auths = { 'bad.io': entry, 'quay.io': { auth: encode('user:word') } }
    const { credentials, warnings } = parseDockerConfig(JSON.stringify({ auths }), 'dockerconfigjson')
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('"bad.io"')
    expect(warnings[0]).toContain(words)
    expect(credentials.entries).toHaveLength(1)
  })

  it.each(['', 'not json {"auth":"hunter2"', '[]', 'null', '"hunter2"', ' '.repeat(2_000_000)])(
    'that is no JSON object is ConfigurationInvalid, without quoting it',
    (text) => {
      const parse = () => parseDockerConfig(text, 'dockerconfigjson')
      expect(parse).toThrowError(/kubectl create secret docker-registry/)
      try {
        parse()
      } catch (error) {
        expect(hasCode(error, 'ConfigurationInvalid')).toBe(true)
        expect(`${String(error)}${String((error as Error).cause)}`).not.toContain('hunter2')
      }
    },
  )

  it('of any shape never throws anything else, and its warnings hold no secret', () => {
    const secretText = fc.constantFrom('hunter2', encode('user:hunter2'), 'hunter2\n')
    const entry = fc.oneof(
      fc.anything(),
      fc.record(
        {
          auth: fc.oneof(secretText, fc.string()),
          username: fc.string(),
          password: secretText,
          identitytoken: secretText,
        },
        { requiredKeys: [] },
      ),
    )
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(fc.domain(), fc.string()), entry), fc.boolean(), (auths, isOld) => {
        const text = JSON.stringify(isOld ? auths : { auths })
        const { credentials, warnings } = parseDockerConfig(text, isOld ? 'dockercfg' : 'dockerconfigjson')
        credentials.findAll({ registry: 'quay.io', repository: 'a/b' })
        expect(warnings.join()).not.toContain('hunter2')
      }),
    )
  })

  it('with a glob made to be slow is matched in no time', async () => {
    const key = `${'*a'.repeat(400)}.io`
    const registry = `${'a'.repeat(200)}b.io`
    const match = (): void => expect(findUser(keyed(key), `${registry}/x`)).toBeUndefined()
    expect(await measureCpuMs(match)).toBeLessThan(500)
  })
})
