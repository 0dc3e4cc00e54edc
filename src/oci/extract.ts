import { mkdir, rm } from 'node:fs/promises'
import { KmmError } from '../errors/error.ts'
import { applyEntry, type DroppedLink, type ExtractPass } from './extract-layer.ts'
import { ExtractMeter, type ExtractLimits, defaultExtractLimits } from './extract-limits.ts'
import { dropNestedTrees, normaliseImagePath, resolveTrees, type ResolvedTrees } from './extract-paths.ts'
import { ExtractTree } from './extract-tree.ts'
import type { LayerSource } from './layer-source.ts'
import { describeFileError, readLayer } from './read-layer.ts'

export type { DroppedLink } from './extract-layer.ts'
export type { ExtractLimits } from './extract-limits.ts'
export type { LayerDescriptor, LayerSource } from './layer-source.ts'

/** What to extract, and where to. */
export interface ExtractOptions {
  /** The image's layers, the lowest first. */
  layers: readonly LayerSource[]
  /** A directory that does not exist yet; it is made, and removed again when anything fails. */
  destination: string
  /** Directories of the image, absolute: `/opt/lib/modules/6.1.0` arrives at `<destination>/opt/lib/modules/6.1.0`. */
  wanted: readonly string[]
  /** Where the host's kernel modules are mounted, `/host/lib/modules/<kernel>`: links to it are kept. */
  hostLink?: string
  limits?: Partial<ExtractLimits>
  signal: AbortSignal
}

/** What was extracted. */
export interface ExtractReport {
  /** For each wanted directory, whether the image has it. */
  found: Record<string, boolean>
  entries: number
  bytes: number
  /** Links that lead out of the extracted directories and were therefore not created. */
  droppedLinks: DroppedLink[]
}

const maxPasses = 8

/**
 * Extracts the wanted directories of an image, with the meaning that layers have: later ones add, replace and hide.
 * Everything outside of them is skipped, whatever it is.
 *
 * A symbolic link inside is resolved as for a process in the image. It is kept when it leads into an extracted directory,
 * or to the host's kernel modules by one of the names that image authors use for them (upstream: in-tree dependencies);
 * otherwise it is left out and reported. Where a directory above a wanted one is a link, the link is followed inside the
 * image, for which the layers may be read again.
 *
 * Fails with `ImageInvalid` or `LimitExceeded`, naming layer and entry; with what opening or reading a layer throws; with
 * `OutOfSpace`. After a failure the destination does not exist.
 */
export async function extractImage(options: ExtractOptions): Promise<ExtractReport> {
  const names = new Map(options.wanted.map((text) => [text, normaliseImagePath(text)]))
  const paths = dropNestedTrees([...names.values()])
  await makeDestination(options.destination)
  try {
    const pass = await extractPasses(options, paths)
    return {
      found: Object.fromEntries([...names].map(([text, path]) => [text, pass.tree.has(path)])),
      entries: pass.tree.entries,
      bytes: pass.meter.bytes,
      droppedLinks: [...pass.droppedLinks.values()],
    }
  } catch (error) {
    await rm(options.destination, { recursive: true, force: true })
    throw error
  }
}

/** Reads the image until the wanted directories were where the links above them say; nearly always once. */
async function extractPasses(options: ExtractOptions, paths: readonly string[]): Promise<ExtractPass> {
  let resolved = resolveTrees(paths, new Map())
  for (let passes = 0; passes < maxPasses; passes += 1) {
    if (passes > 0) {
      await rm(options.destination, { recursive: true, force: true })
      await makeDestination(options.destination)
    }
    const pass = await extractOnce(options, resolved)
    const next = resolveTrees(paths, pass.linksAbove)
    if (next.trees.every((tree, at) => tree.real === resolved.trees[at]?.real)) return pass
    resolved = next
  }
  throw new KmmError('the links above the wanted directories do not come to an end', {
    code: 'ImageInvalid',
    fate: 'terminal',
  })
}

async function makeDestination(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    throw describeFileError(error)
  })
}

async function extractOnce(options: ExtractOptions, resolved: ResolvedTrees): Promise<ExtractPass> {
  const pass: ExtractPass = {
    resolved,
    tree: new ExtractTree(options.destination),
    meter: new ExtractMeter({ ...defaultExtractLimits, ...options.limits }),
    hostLinks: describeHostLinks(options.hostLink),
    linksAbove: new Map(),
    droppedLinks: new Map(),
  }
  for (const [at, layer] of options.layers.entries()) {
    const layerPosition = { number: at + 1, digest: layer.descriptor.digest }
    await readLayer({
      layer,
      position: { number: at + 1, of: options.layers.length },
      meter: pass.meter,
      onEntry: (entry) => applyEntry(pass, layerPosition, entry),
      signal: options.signal,
    })
  }
  return pass
}

/** Image authors write the host's modules as `/lib/modules/<kernel>` too: the worker has them at both places. */
function describeHostLinks(hostLink: string | undefined): ExtractPass['hostLinks'] {
  if (hostLink === undefined) return { from: [], to: '' }
  const from = normaliseImagePath(hostLink)
  const kernel = from.slice(from.lastIndexOf('/') + 1)
  return { from: [from, `lib/modules/${kernel}`, `usr/lib/modules/${kernel}`], to: `/${from}` }
}
