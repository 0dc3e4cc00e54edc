import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'

/**
 * How far an IP address lies: this host, the link (cloud metadata services among it), a private network, the public
 * internet, or nowhere that a registry can be (multicast, reserved).
 */
export type AddressClass = 'loopback' | 'link-local' | 'private' | 'public' | 'reserved'

// Metadata services of clouds that are outside the link-local ranges stand with them: Azure, Alibaba, Oracle, AWS, Google.
const ranges: Readonly<Record<Exclude<AddressClass, 'public'>, readonly string[]>> = {
  'link-local': [
    '169.254.0.0/16',
    '168.63.129.16/32',
    '100.100.100.200/32',
    '192.0.0.192/32',
    'fe80::/10',
    'fd00:ec2::254/128',
    'fd20:ce::254/128',
  ],
  loopback: ['127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128'],
  private: [
    '10.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '100.64.0.0/10',
    '192.0.0.0/24',
    '198.18.0.0/15',
    'fc00::/7',
    'fec0::/10',
  ],
  reserved: ['224.0.0.0/4', '240.0.0.0/4', 'ff00::/8'],
}

const order = ['link-local', 'loopback', 'private', 'reserved'] as const

function expandIpv6(address: string): number[] {
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const parse = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const [left, right] = [parse(head), parse(tail ?? '')]
  return tail === undefined ? left : [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right]
}

/** The IPv4 address inside an IPv6 one: mapped, compatible, NAT64 (64:ff9b::/96) and 6to4 (2002::/16). */
function findEmbeddedIpv4(address: string): string | undefined {
  const groups = expandIpv6(address)
  const write = (high = 0, low = 0): string => `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
  if (groups[0] === 0x2002) return write(groups[1], groups[2])
  const head = groups.slice(0, 6)
  const isZero = head.slice(0, 5).every((group) => group === 0)
  const isMapped = isZero && (head[5] === 0xffff || (head[5] === 0 && (groups[6] ?? 0) !== 0))
  const isNat64 = head[0] === 0x64 && head[1] === 0xff9b && head.slice(2).every((group) => group === 0)
  return isMapped || isNat64 ? write(groups[6], groups[7]) : undefined
}

/** The plain form of an IP address: no brackets, no zone, IPv4 where one is embedded; undefined when it is none. */
export function normalizeAddress(text: string): string | undefined {
  const bare = (text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text).replace(/%.*$/, '')
  if (isIPv4(bare)) return bare
  return isIPv6(bare) ? (findEmbeddedIpv4(bare) ?? bare) : undefined
}

/** True when `text` is an IP address or a network such as `10.0.0.0/8`. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return bits === undefined || (/^[0-9]{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

/** Answers whether an address lies in one of `networks`, each an address or a CIDR that `isNetwork` accepts. */
export function createNetworkMatcher(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    const family = isIPv4(address) ? 'ipv4' : 'ipv6'
    list.addSubnet(address, bits === undefined ? (family === 'ipv4' ? 32 : 128) : Number(bits), family)
  }
  return (address) => {
    const plain = normalizeAddress(address)
    return plain !== undefined && list.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6')
  }
}

/** Makes the function that says how far an address lies. What is no address counts as `reserved`. */
export function createAddressClassifier(): (address: string) => AddressClass {
  const matchers = order.map((name) => ({ name, matches: createNetworkMatcher(ranges[name]) }))
  return (address) => {
    if (normalizeAddress(address) === undefined) return 'reserved'
    return matchers.find(({ matches }) => matches(address))?.name ?? 'public'
  }
}
