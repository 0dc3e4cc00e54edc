import type { ModuleSigner, SigningCertificate } from '../kmod/signature-key.ts'
import { mediaTypes } from '../oci/media-types.ts'
import { formatReference } from '../oci/reference.ts'
import type { ImageFileCopy } from './image-files.ts'
import { pushSigned } from './push-signed.ts'
import { type ImagePlace, type ImageSelection, withImageFiles, type WorkingImage } from './select-image.ts'
import { isCopySignedBy, nameModule, signCopy } from './sign-copy.ts'
import { type WrittenLayer, writeLayer } from './signed-layer.ts'

/** What to sign, by whom, and where the result goes. */
export interface SignImageOptions extends ImageSelection {
  target: ImagePlace
  signer: ModuleSigner
}

/** A file that was looked at; hard links of one file are one. */
export interface SignedFile {
  /** Absolute in the image. */
  path: string
  outcome: 'signed' | 'alreadySigned'
}

/** What signing has come to. */
export interface SignImageResult {
  /** Digest of the signed image's manifest. */
  digest: string
  /** Digest of the manifest that was signed. */
  sourceDigest: string
  files: SignedFile[]
  /** How many layers had to be read, and how many the image has. */
  layersRead: number
  layers: number
}

/**
 * Signs modules of an image and pushes the result: the image with one layer more that holds the signed files, and with the label
 * `signed-by`. Only as many layers as are needed to find the files are read; the others are mounted in the target's registry, or
 * copied when that is another one. Of an index, the platform's image is signed and pushed alone.
 *
 * Throws FilesToSignInvalid for files that are not there, ModuleFileInvalid for what is no module, ImageInvalid and LimitExceeded
 * for a bad image, and the errors of a registry client. Until the last step the target's tag stays as it was.
 */
export async function signImage(options: SignImageOptions): Promise<SignImageResult> {
  return withImageFiles(options, async (working) => {
    const { files, changed } = await signFiles(options, working)
    const layer = changed.length === 0 ? undefined : await buildLayer(options, working, changed)
    const digest = await pushSigned(options, working.image, layer)
    options.log(`Pushed ${formatReference(options.target.reference)}, digest ${digest}.`)
    return { digest, ...describeWork(working), files }
  })
}

/** Signs modules of an image as `signImage` does, and throws the result away: shows that it can be signed. */
export async function trySigning(options: Omit<SignImageOptions, 'target'>): Promise<Omit<SignImageResult, 'digest'>> {
  return withImageFiles(options, async (working) => {
    const { files } = await signFiles(options, working)
    return { ...describeWork(working), files }
  })
}

const describeWork = ({ image, files }: WorkingImage): Omit<SignImageResult, 'digest' | 'files'> => ({
  sourceDigest: image.raw.digest,
  layersRead: files.layersRead,
  layers: image.manifest.layers.length,
})

async function signFiles(
  { signer, log, signal }: Omit<SignImageOptions, 'target'>,
  { files }: WorkingImage,
): Promise<{ files: SignedFile[]; changed: ImageFileCopy[] }> {
  const signed: SignedFile[] = []
  const changed: ImageFileCopy[] = []
  for (const file of files.files) {
    signal.throwIfAborted()
    const [first] = file.paths
    const outcome = await signCopy(file, signer).catch((error: unknown) => {
      throw nameModule(error, first)
    })
    log(outcome === 'signed' ? `Signed /${first}.` : `/${first} is signed by this key already.`)
    signed.push(...file.paths.map((path) => ({ path: `/${path}`, outcome })))
    if (outcome === 'signed') changed.push(file)
  }
  return { files: signed, changed }
}

function buildLayer(
  { signal }: SignImageOptions,
  { image, files, folder }: WorkingImage,
  changed: readonly ImageFileCopy[],
): Promise<WrittenLayer> {
  const isDocker = image.manifest.mediaType === mediaTypes.dockerManifest
  const mediaType = isDocker ? mediaTypes.dockerLayerGzip : mediaTypes.layerGzip
  return writeLayer(changed, files.view, { file: `${folder}/layer.tar.gz`, mediaType, signal })
}

/** Looks whether files of an image carry a certificate's signature already, without changing anything. Throws as `signImage` does. */
export async function findSignedFiles(
  options: ImageSelection & { certificate: SigningCertificate },
): Promise<{ path: string; isSigned: boolean }[]> {
  return withImageFiles(options, async ({ files }) => {
    const found: { path: string; isSigned: boolean }[] = []
    for (const file of files.files) {
      options.signal.throwIfAborted()
      const isSigned = await isCopySignedBy(file, options.certificate).catch((error: unknown) => {
        throw nameModule(error, file.paths[0])
      })
      found.push(...file.paths.map((path) => ({ path: `/${path}`, isSigned })))
    }
    return found
  })
}
