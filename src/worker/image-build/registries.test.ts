import { afterEach, describe, expect, it } from 'vitest'
import { mergeCredentials, parseDockerConfig } from '../../oci/credentials.ts'
import { parseReference } from '../../oci/reference.ts'
import { createFixture } from '../../oci/testdata/fixture.ts'
import { formatAuthFile } from './credentials.ts'
import { formatPullRegistries, formatPushRegistries } from './registries.ts'
import { createSchemeFinder } from './scheme.ts'

const fixture = createFixture()
afterEach(() => fixture.stop())

const never = new AbortController().signal
const tls = (insecure: boolean, insecureSkipTLSVerify: boolean) => ({ insecure, insecureSkipTLSVerify })

async function serve(scheme: 'http' | 'https') {
  const { reference, server } = await fixture.serve(scheme)
  return { server, image: reference('a/b:v1'), host: reference('a/b:v1').registry }
}

async function withSchemes<T>(work: (schemes: ReturnType<typeof createSchemeFinder>) => Promise<T>): Promise<T> {
  const schemes = createSchemeFinder({}, never)
  try {
    return await work(schemes)
  } finally {
    await schemes.close()
  }
}

describe('the registries of a build', () => {
  it.each([
    ['plain HTTP that is allowed', 'http', tls(true, false), true],
    ['plain HTTP that is not', 'http', tls(false, true), 'RegistryUnreachable'],
    ['a certificate that nobody has to trust', 'https', tls(false, true), true],
    [
      'a certificate that is not trusted, where plain HTTP alone is allowed',
      'https',
      tls(true, false),
      'RegistryUnreachable',
    ],
    ['nothing allowed', 'https', tls(false, false), false],
  ] as const)(
    'are insecure to the builder for no more than is allowed: %s',
    async (_what, scheme, allowed, expected) => {
      const { image, host, server } = await serve(scheme)
      const push = withSchemes((schemes) => formatPushRegistries(image, allowed, schemes))
      const told = await push.then(
        (text) => text.includes(`location = "${host}"\ninsecure = true\n`),
        (error: { code: string }) => error.code,
      )
      expect(told).toBe(expected)
      expect(server.seen.every(({ authorization }) => authorization === undefined)).toBe(true)
    },
  )

  it('are left as they are for pulls where they cannot be asked', async () => {
    const text = await withSchemes((schemes) =>
      formatPullRegistries([parseReference('127.0.0.1:1/a:1')], tls(true, true), {}, schemes),
    )
    expect(text).not.toContain('insecure = true')
  })

  it('have the mirrors of the settings, each insecure for itself', async () => {
    const [plain, secure] = [await serve('http'), await serve('https')]
    const endpoints = [
      { location: `${plain.host}/hub`, insecure: true },
      { location: `${secure.host}/hub`, insecure: true },
    ]
    const settings = { mirrors: [{ prefix: 'docker.io', endpoints }] }
    const text = await withSchemes((schemes) =>
      formatPullRegistries([parseReference('ubuntu')], tls(false, false), settings, schemes),
    )
    expect(text).toBe(`unqualified-search-registries = ["docker.io"]
short-name-mode = "disabled"

[[registry]]
prefix = "docker.io"
location = "docker.io"
insecure = false
[[registry.mirror]]
location = "${plain.host}/hub"
insecure = true
[[registry.mirror]]
location = "${secure.host}/hub"
insecure = false
`)
  })
})

describe('the credentials of a build', () => {
  const store = (auths: Record<string, object>) =>
    parseDockerConfig(JSON.stringify({ auths }), 'dockerconfigjson').credentials
  const encode = (text: string): string => Buffer.from(text).toString('base64')
  const read = (text: string) => (JSON.parse(text) as { auths: Record<string, { auth: string }> }).auths

  it('are found by glob and path for each image, since the builder knows no globs', () => {
    const credentials = mergeCredentials([
      store({
        '*.example.com': { auth: encode('glob:g') },
        'https://r.example.com/team/v1/': { auth: encode('team:t') },
      }),
      store({ 'r.example.com': { auth: encode('host:h') } }),
    ])
    const images = [parseReference('q.example.com/a'), parseReference('r.example.com/team/v1/b')]
    expect(read(formatAuthFile(credentials, images))).toEqual({
      'q.example.com/a': { auth: encode('glob:g') },
      'r.example.com': { auth: encode('host:h') },
      'r.example.com/team/v1': { auth: encode('team:t') },
      'r.example.com/team/v1/b': { auth: encode('team:t') },
    })
    const second = formatAuthFile(credentials, images, new Map([['r.example.com/team/v1/b', 1]]))
    expect(read(second)['r.example.com/team/v1/b']).toEqual({ auth: encode('host:h') })
  })

  it('are the first of several for one registry, and tokens that are to be exchanged', () => {
    const credentials = mergeCredentials([
      store({ 'r.example.com': { identitytoken: 'refresh' } }),
      store({ 'r.example.com': { auth: encode('late:l') }, 's.example.com': { registrytoken: 'bearer' } }),
    ])
    expect(read(formatAuthFile(credentials, []))).toEqual({
      'r.example.com': { auth: encode('00000000-0000-0000-0000-000000000000:'), identitytoken: 'refresh' },
    })
  })
})
