import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasCode } from '../errors/error.ts'
import { formatReference, parseReference, parseRegistryPath } from './reference.ts'

const sha256 = `sha256:${'a'.repeat(64)}`
const sha512 = `sha512:${'0'.repeat(128)}`

function messageOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (hasCode(error, 'ReferenceInvalid')) return error.message
    throw error
  }
  return 'accepted'
}

describe('an image name', () => {
  it.each([
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36'],
    ['org/app', 'docker.io/org/app:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['index.docker.io/org/app:x', 'docker.io/org/app:x'],
    ['quay.io/org/deep/app:v1', 'quay.io/org/deep/app:v1'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000', 'docker.io/library/localhost:5000'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['Registry.Example.com/app', 'registry.example.com/app:latest'],
    ['[::1]:5000/app:v1', '[::1]:5000/app:v1'],
    ['[fd00::1]/app:v1', '[fd00::1]/app:v1'],
    [`quay.io/a/b@${sha256}`, `quay.io/a/b@${sha256}`],
    [`quay.io/a/b:v1@${sha512}`, `quay.io/a/b:v1@${sha512}`],
    ['a__b/c-d.e---f:X_y.Z-1', 'docker.io/a__b/c-d.e---f:X_y.Z-1'],
    ['10.0.0.1:5000/kmod:6.1.0-13-amd64', '10.0.0.1:5000/kmod:6.1.0-13-amd64'],
  ])('%s means %s', (text, full) => {
    expect(formatReference(parseReference(text))).toBe(full)
  })

  it.each([
    ['', 'it is empty'],
    ['https://quay.io/a/b', 'leave out the scheme'],
    ['quay.io/a/b:${KERNEL_FULL_VERSION}', 'variable that was not substituted'],
    ['quay.io/a/B', 'write "a/b"'],
    ['Org/app', 'write "org/app"'],
    ['quay.io/a b', 'white space'],
    ['quay.io/', 'the path after the registry is missing'],
    ['quay.io/a//b', 'the part ""'],
    ['quay.io/a/../b', 'the part ".."'],
    ['quay.io/a___b', 'the part "a___b"'],
    ['quay.io/a/b:', 'the tag ""'],
    ['quay.io/a/b:-x', 'the tag "-x"'],
    [`quay.io/a/b:${'x'.repeat(129)}`, 'the tag'],
    ['quay.io/a/b@sha256:abc', 'after "@" stands'],
    [`quay.io/a/b@${sha256.toUpperCase()}`, 'after "@" stands'],
    [`quay.io/a/b@md5:${'a'.repeat(32)}`, 'after "@" stands'],
    ['quay.io:0/a', 'the port "0"'],
    ['quay.io:99999/a', 'the port "99999"'],
    ['quay.io:5x/a', 'the port "5x"'],
    ['user@quay.io/a', 'after "@" stands'],
    ['-quay.io/a', 'not a host name'],
    ['quay..io/a', 'not a host name'],
    [`quay.io/${'a/'.repeat(200)}a`, 'longer than 255'],
    ['a'.repeat(2000), 'longer than 1024'],
  ])('%s is refused, saying what to write', (text, words) => {
    expect(messageOf(() => parseReference(text))).toContain(words)
  })

  it('of any text is parsed to what parses to itself again, or refused, quickly', () => {
    const piece = fc.constantFrom(
      'a',
      'B',
      '0',
      '.',
      '-',
      '_',
      '/',
      ':',
      '@',
      '[',
      ']',
      'sha256:',
      'localhost',
      '\n',
      '$',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 60 }).map((each) => each.join('')),
        ),
        (text) => {
          let parsed
          try {
            parsed = parseReference(text)
          } catch (error) {
            return hasCode(error, 'ReferenceInvalid')
          }
          expect(parseReference(formatReference(parsed))).toEqual(parsed)
          return true
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('a registry path', () => {
  it('may have a path or none', () => {
    expect(parseRegistryPath('mirror.example.com:5000')).toEqual({ registry: 'mirror.example.com:5000', path: '' })
    expect(parseRegistryPath('mirror.example.com/a/b')).toEqual({ registry: 'mirror.example.com', path: 'a/b' })
    expect(messageOf(() => parseRegistryPath('mirror.example.com/'))).toContain('missing')
  })
})
