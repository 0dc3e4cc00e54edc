import { isAbsolute, join } from 'node:path'
import { parse } from 'yaml'
import { KmmError } from '../errors/error.ts'

/** One entry of `clusters`, `users` or `contexts`, with the folder that its relative paths start from. */
export interface KubeconfigEntry {
  fields: Record<string, unknown>
  folder: string
}

/** What one or more kubeconfig files say together. */
export interface KubeconfigFile {
  currentContext: string
  clusters: Map<string, KubeconfigEntry>
  users: Map<string, KubeconfigEntry>
  contexts: Map<string, KubeconfigEntry>
}

/** The error of a kubeconfig that cannot be used. */
export function kubeconfigInvalid(message: string, cause?: unknown): KmmError {
  return new KmmError(message, { code: 'ConfigurationInvalid', fate: 'terminal', cause })
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseDocument(text: string, origin: string): Record<string, unknown> {
  let document: unknown
  try {
    document = parse(text, { version: '1.1' })
  } catch (error) {
    throw kubeconfigInvalid(`the kubeconfig ${origin} is not valid YAML`, error)
  }
  if (document === null) return {}
  if (!isRecord(document)) throw kubeconfigInvalid(`the kubeconfig ${origin} is not a YAML mapping`)
  return document
}

function readEntries(
  document: Record<string, unknown>,
  list: string,
  field: string,
  folder: string,
): Map<string, KubeconfigEntry> {
  const items = document[list]
  const entries = new Map<string, KubeconfigEntry>()
  for (const item of Array.isArray(items) ? items : []) {
    if (!isRecord(item) || typeof item['name'] !== 'string' || entries.has(item['name'])) continue
    entries.set(item['name'], { fields: isRecord(item[field]) ? item[field] : {}, folder })
  }
  return entries
}

/** Parses one file. `origin` names it in errors; relative paths inside start from `folder`. */
export function parseKubeconfig(text: string, origin: string, folder: string): KubeconfigFile {
  const document = parseDocument(text, origin)
  const currentContext = document['current-context']
  return {
    currentContext: typeof currentContext === 'string' ? currentContext : '',
    clusters: readEntries(document, 'clusters', 'cluster', folder),
    users: readEntries(document, 'users', 'user', folder),
    contexts: readEntries(document, 'contexts', 'context', folder),
  }
}

/** Puts files together as kubectl does: the first that names an entry, or the current context, wins. */
export function mergeKubeconfigs(files: readonly KubeconfigFile[]): KubeconfigFile {
  const merge = (pick: (file: KubeconfigFile) => Map<string, KubeconfigEntry>): Map<string, KubeconfigEntry> =>
    new Map(files.toReversed().flatMap((file) => [...pick(file)]))
  return {
    currentContext: files.find((file) => file.currentContext !== '')?.currentContext ?? '',
    clusters: merge((file) => file.clusters),
    users: merge((file) => file.users),
    contexts: merge((file) => file.contexts),
  }
}

/** A text field of an entry; undefined when absent or empty. */
export function textField({ fields }: KubeconfigEntry, name: string): string | undefined {
  const value = fields[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A field that names a file, made absolute. */
export function pathField(entry: KubeconfigEntry, name: string): string | undefined {
  const path = textField(entry, name)
  return path === undefined || isAbsolute(path) ? path : join(entry.folder, path)
}
