import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasCode } from '../errors/error.ts'
import { computeDigest } from './digest.ts'
import { type ImageIndex, type Platform, parseManifest } from './manifest.ts'
import { mediaTypes } from './media-types.ts'
import { selectPlatform } from './platform.ts'

const digest = computeDigest('x')
const descriptor = (mediaType: string) => ({ mediaType, digest, size: 1 })
const manifest = {
  schemaVersion: 2,
  mediaType: mediaTypes.manifest,
  config: descriptor(mediaTypes.config),
  layers: [descriptor(mediaTypes.layerGzip)],
}

const parse = (document: unknown, contentType = '') =>
  parseManifest(Buffer.from(JSON.stringify(document)), contentType, 'x')

describe('a manifest', () => {
  it('is read in OCI’s and in Docker’s form, its type from itself, the header or its fields', () => {
    const docker = {
      ...manifest,
      mediaType: mediaTypes.dockerManifest,
      layers: [mediaTypes.dockerLayerGzip, mediaTypes.dockerLayer, mediaTypes.layerZstd].map(descriptor),
    }
    expect(parse(docker)).toMatchObject({ kind: 'manifest', layers: docker.layers })
    const { mediaType: _, ...untyped } = manifest
    expect(parse(untyped, `${mediaTypes.manifest}; charset=utf-8`)).toMatchObject({ mediaType: mediaTypes.manifest })
    expect(parse(untyped)).toMatchObject({ kind: 'manifest' })
    expect(parse({ manifests: [] })).toMatchObject({ kind: 'index' })
  })

  it.each<[unknown, string]>([
    [{ schemaVersion: 1, fsLayers: [] }, 'schema 1'],
    [
      { ...manifest, layers: [descriptor('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip')] },
      'foreign layer',
    ],
    [{ ...manifest, layers: [descriptor('application/vnd.oci.image.layer.nondistributable.v1.tar')] }, 'foreign layer'],
    [{ ...manifest, layers: [descriptor('application/vnd.oci.image.layer.v1.tar+encrypted')] }, 'no image layer'],
    [{ ...manifest, layers: [{ ...descriptor(mediaTypes.layer), size: -1 }] }, 'layers[0].size'],
    [{ ...manifest, layers: [{ ...descriptor(mediaTypes.layer), size: 1e300 }] }, 'layers[0].size'],
    [{ ...manifest, layers: [{ ...descriptor(mediaTypes.layer), digest: '../../etc/passwd' }] }, 'layers[0].digest'],
    [{ ...manifest, layers: Array.from({ length: 1001 }, () => descriptor(mediaTypes.layer)) }, 'more than 1000'],
    [{ ...manifest, layers: {} }, 'not a list'],
    [{ ...manifest, config: null }, 'config'],
    [{ ...manifest, mediaType: 'application/vnd.oci.artifact.manifest.v1+json' }, 'no image'],
    [[], 'not a JSON object'],
  ])('such as %j is ImageInvalid', (document, words) => {
    let caught: unknown
    try {
      parse(document)
    } catch (error) {
      caught = error
    }
    expect(hasCode(caught, 'ImageInvalid')).toBe(true)
    expect(String(caught)).toContain(words)
  })

  it('may not be an index to the registry and an image to itself', () => {
    expect(() => parse(manifest, mediaTypes.index)).toThrowError(/the manifest itself says/)
  })

  it('of any shape is read or ImageInvalid', () => {
    const shape = fc.record(
      {
        schemaVersion: fc.oneof(fc.constant(2), fc.anything()),
        mediaType: fc.oneof(fc.constantFrom(...Object.values(mediaTypes)), fc.anything()),
        config: fc.oneof(fc.constant(manifest.config), fc.anything()),
        layers: fc.oneof(fc.constant(manifest.layers), fc.array(fc.anything())),
        manifests: fc.oneof(fc.constant([manifest.config]), fc.array(fc.anything())),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(
        fc.oneof(shape, fc.anything()),
        fc.constantFrom('', ...Object.values(mediaTypes)),
        (document, type) => {
          try {
            parse(document ?? null, type)
          } catch (error) {
            return hasCode(error, 'ImageInvalid')
          }
          return true
        },
      ),
      { numRuns: 1000 },
    )
  })
})

describe('the entry of an index', () => {
  const index = (...platforms: (string | undefined)[]): ImageIndex => ({
    kind: 'index',
    mediaType: mediaTypes.index,
    manifests: platforms.map((text, position) => {
      const [os = '', architecture = '', variant] = text?.split('/') ?? []
      const platform = text === undefined ? {} : { platform: { os, architecture, ...(variant ? { variant } : {}) } }
      return { ...descriptor(mediaTypes.manifest), size: position, ...platform }
    }),
  })
  const linux = (architecture: string, variant?: string): Platform => ({
    os: 'linux',
    architecture,
    ...(variant ? { variant } : {}),
  })

  it.each<[(string | undefined)[], Platform, number | string]>([
    [['linux/arm64', 'linux/amd64'], linux('amd64'), 1],
    [['linux/arm64/v8', 'linux/amd64'], linux('arm64'), 0],
    [['windows/amd64', 'linux/amd64'], linux('amd64'), 1],
    [['linux/amd64/v3', 'linux/amd64'], linux('amd64'), 1],
    [['linux/amd64/v3', 'linux/amd64'], linux('amd64', 'v3'), 0],
    [['linux/amd64/v3'], linux('amd64'), 'no image for linux/amd64: it holds linux/amd64/v3'],
    [['linux/arm/v6', 'linux/arm/v7'], linux('arm'), 1],
    [['linux/x86_64'], linux('amd64'), 0],
    [['linux/amd64'], linux('x86_64'), 0],
    [['unknown/unknown', 'linux/s390x'], linux('amd64'), 'it holds linux/s390x;'],
    [['unknown/unknown'], linux('amd64'), 'it holds none at all'],
    [[], linux('amd64'), 'it holds none at all'],
    [[undefined], linux('amd64'), 0],
    [[undefined, 'linux/arm64'], linux('amd64'), 'without platform, linux/arm64'],
    [['linux/amd64', 'linux/amd64'], linux('amd64'), 0],
  ])('of %j for %j is %s', (platforms, wanted, expected) => {
    const choose = () => selectPlatform(index(...platforms), wanted, 'x')
    if (typeof expected === 'string') expect(choose).toThrowError(expected)
    else expect(choose().size).toBe(expected)
  })
})
