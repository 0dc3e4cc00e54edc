import { readdir, realpath } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { describeError, hasCode, KmmError } from '../errors/error.ts'
import { extractionRoot } from '../kmod/modprobe-arguments.ts'
import type { LayerDescriptor, LayerSource } from '../oci/layer-source.ts'
import { verifyLayer } from '../oci/layer-verify.ts'
import { locate } from './host.ts'
import { packFolder } from './image-folder.ts'
import type { PulledImage } from './pull.ts'
import type { RunContext } from './run-context.ts'
import { listWantedTrees } from './unpack.ts'
import { WorkerError } from './worker-error.ts'

const archivePath = `${extractionRoot}/.kmm-mounted-image.tar`

/** What is kept of a mounted image is only good for the same directories of it. */
const keyOf = ({ config, host }: RunContext): string =>
  `mounted ${config.containerImage} ${host.architecture} ${JSON.stringify(listWantedTrees(host, config))}`

/**
 * Reads the image that the kubelet has mounted: its modules and firmware become a layer, which is kept in the node's cache,
 * because the image may be gone when they are unloaded.
 */
export async function readMountedImage(context: RunContext, folder: string): Promise<PulledImage> {
  const { host, config, cache, log, signal } = context
  const root = await findRoot(context, folder)
  const file = locate(host, archivePath)
  log(`Reading ${config.containerImage} from ${folder}, where the kubelet has mounted it.`)
  const descriptor = await packFolder({ root, wanted: listWantedTrees(host, config), file, signal }).catch(
    (error: unknown) => {
      throw nameImage(error, config.containerImage)
    },
  )
  const openFile: LayerSource['open'] = () =>
    Promise.resolve(verifyLayer(createReadStream(file), descriptor, 'the archive of the mounted image'))
  await cache?.fetchMissing(descriptor, openFile, signal)
  await cache?.rememberImage(keyOf(context), { digest: descriptor.digest, layers: [descriptor] })
  log(`Read ${descriptor.size} bytes of modules and firmware.`)
  return makeImage(descriptor, cache?.createSource(descriptor, openFile) ?? { descriptor, open: openFile })
}

/** What a load has kept of the image that the kubelet had mounted; undefined where there was none, or it is gone. */
export async function findMountedBefore(context: RunContext): Promise<PulledImage | undefined> {
  const { cache, config, log } = context
  const kept = await cache?.findImage(keyOf(context))
  const [descriptor] = kept?.layers ?? []
  if (!cache || !descriptor || !(await cache.hasLayers([descriptor]))) return undefined
  log(`Using what the load has kept of ${config.containerImage} on the node.`)
  return makeImage(descriptor, cache.createSource(descriptor))
}

const makeImage = ({ digest }: LayerDescriptor, layer: LayerSource): PulledImage => ({
  digest,
  layers: [layer],
  notes: [],
})

/** The folder as it really is; an empty one is what remains of a pod whose image volume somebody has left out. */
async function findRoot({ host, config }: RunContext, folder: string): Promise<string> {
  const names = await readdir(locate(host, folder)).catch(() => [])
  if (names.length > 0) return realpath(locate(host, folder))
  throw new WorkerError(
    'Unknown',
    `Nothing is mounted at ${folder}, where the kubelet was to mount ${config.containerImage}: see that API server, kubelet and container runtime support image volumes, or set worker.imageSource to worker in the operator's configuration. An image without any file looks the same.`,
  )
}

function nameImage(error: unknown, image: string): unknown {
  if (!hasCode(error, 'ImageInvalid', 'LimitExceeded')) return error
  const { code, fate, cause } = error
  return new KmmError(`The image ${image} cannot be used: ${describeError(error)}`, { code, fate, cause })
}
