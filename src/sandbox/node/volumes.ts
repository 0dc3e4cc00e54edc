import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import type { Container, HostPathVolumeSource, KeyToPath, Pod, Volume } from 'kubernetes-types/core/v1.js'
import { hasCode } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { configMaps, secrets } from '../../kube/core-resources.ts'
import { readDownwardField } from './downward.ts'
import { MountFailure } from './mount-failure.ts'
import type { NodeImages } from './node-images.ts'

/** Where the volumes of one pod go. */
export interface VolumePlace {
  client: KubeClient
  pod: Pod
  /** Finds or makes what a host path names. */
  setUpHostPath: (source: HostPathVolumeSource) => Promise<string>
  images: NodeImages
  /** Below it each volume that is no host path has a folder. */
  folder: string
  signal: AbortSignal
}

type Files = Record<string, Buffer>

/** A path of the node, whatever `path` says, below its root. */
export function pathOnNode(nodeRoot: string, path: string): string {
  return join(nodeRoot, posix.normalize(`/${path}`))
}

/** The kubelet's words before a key that is not there. */
const missingKeyWords = {
  secret: 'references non-existent secret key: ',
  configmap: 'configmap references non-existent config key: ',
}

/** Takes the keys that are asked for; one that is missing fails, unless the reference is optional. */
function pickItems(files: Files, { items, optional }: Reference, kind: 'secret' | 'configmap'): Files {
  if (items === undefined || items.length === 0) return files
  const picked: Files = {}
  for (const { key, path } of items) {
    const content = files[key]
    if (content !== undefined) picked[path] = content
    else if (optional !== true) throw new MountFailure(missingKeyWords[kind] + key)
  }
  return picked
}

interface Reference {
  name: string | undefined
  items: readonly KeyToPath[] | undefined
  optional: boolean | undefined
}

async function readObject(place: VolumePlace, kind: 'secret' | 'configmap', name: string): Promise<Files> {
  const key = { namespace: place.pod.metadata?.namespace ?? '', name }
  if (kind === 'secret') {
    const { data = {} } = await place.client.get(secrets, key, place.signal)
    return Object.fromEntries(Object.entries(data).map(([file, text]) => [file, Buffer.from(text, 'base64')]))
  }
  const { data = {}, binaryData = {} } = await place.client.get(configMaps, key, place.signal)
  const plain = Object.entries(data).map(([file, text]) => [file, Buffer.from(text)] as const)
  const binary = Object.entries(binaryData).map(([file, text]) => [file, Buffer.from(text, 'base64')] as const)
  return Object.fromEntries([...plain, ...binary])
}

/** The files of a Secret or ConfigMap; none where an optional one is missing. */
async function readReference(place: VolumePlace, kind: 'secret' | 'configmap', reference: Reference): Promise<Files> {
  const name = reference.name ?? ''
  try {
    return pickItems(await readObject(place, kind, name), reference, kind)
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error
    if (reference.optional === true) return {}
    throw new MountFailure(`${kind} "${name}" not found`)
  }
}

function readDownward(pod: Pod, items: readonly { path: string; fieldRef?: { fieldPath: string } }[] = []): Files {
  return Object.fromEntries(
    items.map(({ path, fieldRef }) => [path, Buffer.from(readDownwardField(pod, fieldRef?.fieldPath ?? ''))]),
  )
}

async function readProjected(place: VolumePlace, volume: Volume): Promise<Files> {
  const files: Files = {}
  for (const { secret, configMap, downwardAPI } of volume.projected?.sources ?? []) {
    if (secret) Object.assign(files, await readReference(place, 'secret', { ...emptyReference, ...secret }))
    if (configMap) Object.assign(files, await readReference(place, 'configmap', { ...emptyReference, ...configMap }))
    if (downwardAPI) Object.assign(files, readDownward(place.pod, downwardAPI.items))
  }
  return files
}

const emptyReference: Reference = { name: undefined, items: undefined, optional: undefined }

/** The files of a volume that is made of API objects; undefined for other kinds of volumes. */
async function readFiles(place: VolumePlace, volume: Volume): Promise<Files | undefined> {
  const { secret, configMap, downwardAPI, projected } = volume
  if (secret) {
    const { secretName, items, optional } = secret
    return readReference(place, 'secret', { name: secretName, items, optional })
  }
  if (configMap) return readReference(place, 'configmap', { ...emptyReference, ...configMap })
  if (downwardAPI) return readDownward(place.pod, downwardAPI.items)
  return projected ? readProjected(place, volume) : undefined
}

async function writeFiles(folder: string, files: Files): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const [name, content] of Object.entries(files)) {
    const path = pathOnNode(folder, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
  }
}

/** A volume with the image source, which is younger than the published types. */
interface AnyVolume extends Volume {
  image?: { reference?: string; pullPolicy?: string }
}

async function setUpVolume(place: VolumePlace, volume: AnyVolume): Promise<string> {
  if (volume.hostPath) return place.setUpHostPath(volume.hostPath)
  if (volume.image) {
    const { reference = '', pullPolicy = 'IfNotPresent' } = volume.image
    const { pod, client, signal } = place
    return place.images.require({ reference, pullPolicy, pod, client, signal })
  }
  const folder = join(place.folder, volume.name)
  if (volume.emptyDir) {
    await mkdir(folder, { recursive: true })
    return folder
  }
  const files = await readFiles(place, volume)
  if (files === undefined) throw new MountFailure(`the sandbox imitates no volume of the kind of "${volume.name}"`)
  await writeFiles(folder, files)
  return folder
}

/** Sets up every volume of a pod and answers where each is. Throws MountFailure with the kubelet's words. */
export async function setUpVolumes(place: VolumePlace): Promise<Map<string, string>> {
  const paths = new Map<string, string>()
  for (const volume of place.pod.spec?.volumes ?? []) {
    try {
      paths.set(volume.name, await setUpVolume(place, volume))
    } catch (error) {
      if (!(error instanceof MountFailure)) throw error
      throw new MountFailure(`MountVolume.SetUp failed for volume "${volume.name}" : ${error.message}`)
    }
  }
  return paths
}

/** Checks that a pod's Secrets and ConfigMaps exist, for pods whose volumes nobody reads. Throws MountFailure. */
export async function checkVolumes(place: VolumePlace): Promise<void> {
  for (const volume of place.pod.spec?.volumes ?? []) {
    try {
      if (volume.hostPath) await place.setUpHostPath(volume.hostPath)
      else await readFiles(place, volume)
    } catch (error) {
      if (!(error instanceof MountFailure)) throw error
      throw new MountFailure(`MountVolume.SetUp failed for volume "${volume.name}" : ${error.message}`)
    }
  }
}

/** Puts links to a container's volumes into its root, the outer ones first, so that mounts can nest. */
export async function mountVolumes(
  root: string,
  container: Container,
  volumes: ReadonlyMap<string, string>,
): Promise<void> {
  const mounts = [...(container.volumeMounts ?? [])].sort((a, b) => a.mountPath.length - b.mountPath.length)
  for (const { name, mountPath, subPath } of mounts) {
    const volume = volumes.get(name)
    if (volume === undefined) throw new MountFailure(`volume "${name}" of the mount at ${mountPath} is not of this pod`)
    const at = pathOnNode(root, mountPath)
    await mkdir(dirname(at), { recursive: true })
    await rm(at, { recursive: true, force: true })
    await symlink(subPath === undefined ? volume : pathOnNode(volume, subPath), at)
  }
}
