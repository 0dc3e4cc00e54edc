import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { hasCode } from '../errors/error.ts'
import { parseRegistrySettings } from './settings.ts'
import { testCa } from './testdata/test-registry.ts'

describe('registry settings', () => {
  it('that are empty are none', () => {
    for (const text of ['', '\n', '{}', '# comment', 'null']) expect(parseRegistrySettings(text)).toEqual({})
  })

  it('are read whole', () => {
    const settings = {
      mirrors: [
        { prefix: 'docker.io', endpoints: [{ location: 'mirror.io:5000/hub', insecure: true, skipVerify: false }] },
      ],
      caBundle: testCa(),
      proxy: { httpProxy: 'http://proxy:3128', httpsProxy: 'http://user:word@proxy:3128', noProxy: '.svc,10.0.0.0/8' },
      allowPrivateRedirects: ['.svc', '*.example.com', 'minio', '10.0.0.0/8', 'fd00::1'],
      clusterAddresses: ['10.96.0.0/12'],
    }
    expect(parseRegistrySettings(stringify(settings))).toEqual(settings)
    expect(parseRegistrySettings(JSON.stringify(settings))).toEqual(settings)
  })

  it('name Docker Hub by any of its names', () => {
    const text = 'mirrors: [{prefix: index.docker.io/library, endpoints: []}]'
    expect(parseRegistrySettings(text).mirrors?.[0]?.prefix).toBe('docker.io/library')
  })

  it.each([
    ['mirors: []', 'unknown key "mirors"; the keys are mirrors'],
    ['mirrors: {}', 'mirrors: must be a list'],
    ['mirrors: [{prefix: a.io}]', 'mirrors[0].endpoints: must be a list'],
    [
      'mirrors: [{prefix: a.io, endpoints: [{location: "https://b.io"}]}]',
      'mirrors[0].endpoints[0].location: must be host',
    ],
    ['mirrors: [{prefix: a.io, endpoints: [{location: b.io, insecure: "yes"}]}]', '.insecure: must be true or false'],
    ['mirrors: [{prefix: a.io, endpoints: [{location: b.io, skipTLS: true}]}]', 'unknown key "skipTLS"'],
    ['caBundle: hello', 'caBundle: holds no "-----BEGIN CERTIFICATE-----"'],
    ['caBundle: "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----"', 'certificate 1 of 1 cannot be read'],
    ['proxy: {httpsProxy: "socks5://user:hunter2@x"}', 'proxy.httpsProxy: must be a URL of a proxy'],
    ['proxy: {all: x}', 'proxy: unknown key "all"'],
    ['allowPrivateRedirects: [10.0.0.0/33]', 'allowPrivateRedirects[0]: must be a host name'],
    ['clusterAddresses: [kubernetes]', 'clusterAddresses[0]: must be an address'],
    ['[]', 'must be an object with the keys'],
    ['a: [', 'not YAML'],
    ['caBundle: x\ncaBundle: y', 'not YAML'],
    ['a: &a [x]\nb: [*a, *a]', 'not YAML'],
  ])('%s is refused with the path of the field', (text, words) => {
    let caught: unknown
    try {
      parseRegistrySettings(text)
    } catch (error) {
      caught = error
    }
    expect(hasCode(caught, 'ConfigurationInvalid')).toBe(true)
    expect(String(caught)).toContain(words)
    expect(String(caught)).not.toContain('hunter2')
  })
})
