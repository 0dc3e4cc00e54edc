import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createAddressClassifier, createNetworkMatcher, isNetwork, normalizeAddress } from './address.ts'
import { createDestinationGuard, type Reach } from './guard.ts'
import { createProxySelector } from './proxy.ts'

describe('an address', () => {
  const classify = createAddressClassifier()
  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.0.9', 'loopback'],
    ['0.0.0.0', 'loopback'],
    ['::1', 'loopback'],
    ['::', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::7f00:1', 'loopback'],
    ['169.254.169.254', 'link-local'],
    ['::ffff:a9fe:a9fe', 'link-local'],
    ['64:ff9b::169.254.169.254', 'link-local'],
    ['2002:a9fe:a9fe::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['fd00:ec2::254', 'link-local'],
    ['168.63.129.16', 'link-local'],
    ['100.100.100.200', 'link-local'],
    ['10.0.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['172.32.0.1', 'public'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'private'],
    ['fd12::1', 'private'],
    ['2002:a00:1::', 'private'],
    ['224.0.0.1', 'reserved'],
    ['255.255.255.255', 'reserved'],
    ['ff02::1', 'reserved'],
    ['8.8.8.8', 'public'],
    ['2606:4700::1111', 'public'],
    ['nonsense', 'reserved'],
  ])('%s is %s', (address, expected) => {
    expect(classify(address)).toBe(expected)
  })

  it('of version 4 keeps its class when it is written as a mapped one of version 6', () => {
    fc.assert(fc.property(fc.ipV4(), (address) => classify(`::ffff:${address}`) === classify(address)))
  })

  it('of version 6 is understood however it is written', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect(normalizeAddress(`[${address}]`)).toBeDefined()
        expect(classify(new URL(`http://[${address}]`).hostname)).toBe(classify(address))
      }),
    )
  })

  it('lies in networks by their length', () => {
    const matches = createNetworkMatcher(['10.96.0.0/12', '2001:db8::/32', '1.2.3.4'])
    expect(['10.96.0.1', '10.111.9.9', '2001:db8::1', '1.2.3.4'].every(matches)).toBe(true)
    expect(['10.112.0.1', '2001:db9::1', '1.2.3.5', 'x'].some(matches)).toBe(false)
    expect(['10.0.0.0/8', '::/0', '1.2.3.4'].every(isNetwork)).toBe(true)
    expect(['10.0.0.0/33', '::/129', 'x/8', '10.0.0.0/8/8', '10.0.0.0/', 'x'].some(isNetwork)).toBe(false)
  })
})

describe('the guard', () => {
  const guard = createDestinationGuard({
    allowPrivateRedirects: ['.store.svc', '10.1.0.0/16'],
    clusterAddresses: ['10.96.0.1'],
  })
  const isRefused = (url: string, reach: Reach): boolean => guard.findRefusal(new URL(url), reach) !== undefined

  it.each<[string, Reach, boolean]>([
    ['https://quay.io', 'from-public', false],
    ['https://10.0.0.1', 'direct', false],
    ['https://10.0.0.1', 'from-public', true],
    ['https://10.0.0.1', 'from-private', false],
    ['https://10.0.0.1', 'from-loopback', false],
    ['https://127.0.0.1', 'direct', false],
    ['https://127.0.0.1', 'from-private', true],
    ['https://127.0.0.1', 'from-loopback', false],
    ['https://2130706433', 'from-public', true],
    ['https://169.254.0.1', 'direct', true],
    ['https://10.96.0.1', 'direct', false],
    ['https://10.96.0.1', 'from-private', true],
    ['https://10.1.2.3', 'from-public', false],
    ['https://a.svc', 'from-private', true],
    ['https://a.b.svc.cluster.local.', 'from-loopback', true],
    ['https://a.b.svc.my.domain', 'from-private', true],
    ['https://a.cluster.local', 'from-private', true],
    ['https://a.b.svc', 'direct', false],
    ['https://minio.store.svc', 'from-public', false],
    ['https://minio.store.svc.evil.io', 'from-private', true],
  ])('for %s reached %s answers %s', (url, reach, refused) => {
    expect(isRefused(url, reach)).toBe(refused)
  })

  it('leaves only permitted addresses of a name, in both forms of a look-up', async () => {
    const addresses = [
      { address: '169.254.169.254', family: 4 },
      { address: '127.0.0.1', family: 4 },
      { address: '8.8.8.8', family: 4 },
    ]
    const guarded = createDestinationGuard({}, (_, __, callback) => callback(null, addresses)).createLookup(
      'from-public',
    )
    const look = (all: boolean): Promise<unknown> =>
      new Promise((resolve, reject) => {
        guarded('x.io', { all }, (error, found) => (error ? reject(error) : resolve(found)))
      })
    expect(await look(true)).toEqual([addresses[2]])
    expect(await look(false)).toBe('8.8.8.8')
  })
})

describe('a proxy', () => {
  const select = createProxySelector({
    httpProxy: 'http://p:1',
    httpsProxy: 'http://p:2',
    noProxy: 'example.com, .internal,*.corp 10.0.0.0/8,host:8443,fd00::/8',
  })
  it.each([
    ['https://quay.io', 'http://p:2'],
    ['http://quay.io', 'http://p:1'],
    ['https://example.com', undefined],
    ['https://a.example.com', undefined],
    ['https://badexample.com', 'http://p:2'],
    ['https://internal', 'http://p:2'],
    ['https://a.internal', undefined],
    ['https://a.corp', undefined],
    ['https://10.1.2.3', undefined],
    ['https://11.1.2.3', 'http://p:2'],
    ['https://[fd00::1]', undefined],
    ['https://host:8443', undefined],
    ['https://host', 'http://p:2'],
    ['https://localhost:5000', undefined],
    ['https://127.0.0.2', undefined],
    ['https://[::1]:5000', undefined],
  ])('for %s is %s', (url, proxy) => {
    expect(select(new URL(url))).toBe(proxy)
  })

  it('is for nobody where noProxy is a star, or where there is none', () => {
    expect(createProxySelector({ httpsProxy: 'http://p', noProxy: '*' })(new URL('https://a'))).toBeUndefined()
    expect(createProxySelector({})(new URL('https://a'))).toBeUndefined()
  })
})
