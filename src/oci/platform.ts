import { type ImageIndex, type IndexEntry, type Platform, refuseImage } from './manifest.ts'
import { quoteUntrusted } from './text.ts'

const aliases: Readonly<Record<string, string>> = { x86_64: 'amd64', 'x86-64': 'amd64', aarch64: 'arm64', armhf: 'arm' }

/** Go's name of an architecture, whatever it is called: `x86_64` is `amd64`, `aarch64` is `arm64`. */
export function normalizeArchitecture(architecture: string): string {
  return Object.hasOwn(aliases, architecture) ? (aliases[architecture] ?? architecture) : architecture
}

// What runs where when no variant is asked for, best first: a node says only "arm" or "amd64".
const preferredVariants: Readonly<Record<string, readonly string[]>> = {
  amd64: ['', 'v1'],
  arm64: ['v8', ''],
  arm: ['v7', '', 'v6', 'v5'],
}

function rankVariant(wanted: Platform, variant: string): number {
  if (wanted.variant !== undefined && wanted.variant === variant) return 0
  const preferred = preferredVariants[normalizeArchitecture(wanted.architecture)] ?? ['']
  const position = preferred.indexOf(variant)
  return position < 0 ? Number.POSITIVE_INFINITY : position + 1
}

function describePlatform(platform: Platform | undefined): string {
  if (!platform) return 'without platform'
  return quoteUntrusted([platform.os, platform.architecture, platform.variant ?? []].flat().join('/'), 60)
}

/** The platforms of an index, in words; attestations (`unknown/unknown`) are no platforms. */
function describePlatforms(index: ImageIndex): string {
  const images = index.manifests.filter((entry) => entry.platform?.os !== 'unknown')
  const names = [...new Set(images.map((entry) => describePlatform(entry.platform)))]
  if (names.length === 0) return 'it holds none at all'
  const shown = names.slice(0, 20).join(', ')
  return `it holds ${shown}${names.length > 20 ? ` and ${names.length - 20} more` : ''}`
}

/**
 * Chooses the entry of an index for a platform: same system and architecture, the asked-for variant first, then what such a node
 * runs. A single entry without platform is taken as it is. Throws ImageInvalid that names the platforms present.
 */
export function selectPlatform(index: ImageIndex, wanted: Platform, subject: string): IndexEntry {
  const architecture = normalizeArchitecture(wanted.architecture)
  const fitting = index.manifests
    .filter((entry) => entry.platform?.os === wanted.os)
    .filter((entry) => normalizeArchitecture(entry.platform?.architecture ?? '') === architecture)
    .map((entry) => ({ entry, rank: rankVariant(wanted, entry.platform?.variant ?? '') }))
    .filter(({ rank }) => rank < Number.POSITIVE_INFINITY)
  const best = fitting.toSorted((a, b) => a.rank - b.rank)[0]
  if (best) return best.entry
  const [only, ...others] = index.manifests
  if (only && others.length === 0 && !only.platform) return only
  return refuseImage(
    subject,
    `it has no image for ${describePlatform(wanted)}: ${describePlatforms(index)}; build and push it for ${describePlatform(wanted)} too`,
  )
}
