import { expect } from 'vitest'
import type { Sign } from '../../src/api/module.ts'
import {
  countJobs,
  createMade,
  encryptKey,
  imageStatus,
  keys,
  passToRetry,
  pushBase,
  sign,
  untilJob,
  untilMade,
  untilToldOfImages,
  useBuilding,
  writeSecret,
} from './builds.ts'
import { createReasonTests } from './reason-test.ts'
import type { Scene } from './scene.ts'

const building = useBuilding()
const { clock } = building

const itEndsIn = createReasonTests(() => building.cluster)

async function writeKeys(scene: Scene, change: Partial<Record<'key' | 'passphrase' | 'cert', Buffer>> = {}) {
  const { key = keys.key, passphrase, cert = keys.cert } = change
  await writeSecret(scene, 'key', { key, ...(passphrase === undefined ? {} : { passphrase }) })
  await writeSecret(scene, 'cert', { cert })
}

/** Creates a Module that signs the image `base`. */
async function createSigned(scene: Scene, more: Partial<Sign> = {}): Promise<void> {
  const unsigned = { unsignedImage: scene.image('base'), unsignedImageRegistryTLS: { insecure: true } }
  await createMade(scene, { sign: { ...sign, ...unsigned, ...more } })
}

itEndsIn('ImageSigning', 'an image that is being signed, until it is', async (scene) => {
  const letGo = scene.rule({ do: 'hang' }, '-sign-')
  await pushBase(scene)
  await writeKeys(scene)
  await createSigned(scene)
  await untilJob(scene, 'SignImage')
  await scene.untilCondition('ImagesReady', 'False', 'ImageSigning')
  await scene.untilCondition('Progressing', 'True', 'ImageSigning')
  letGo()
  await untilMade(scene)
  await scene.until('its status', () => imageStatus(scene)?.signedBy !== undefined)
  expect(imageStatus(scene)?.signedBy).toMatch(/^[0-9a-f]{64}$/)
  expect(countJobs(scene)).toEqual([0, 1])
})

itEndsIn('UnsignedImageMissing', 'an image to sign that is not there, until it is pushed', async (scene) => {
  await writeKeys(scene)
  await createSigned(scene)
  const message = await untilToldOfImages(scene, 'UnsignedImageMissing')
  expect(message).toContain('push it, or correct sign.unsignedImage')
  await pushBase(scene)
  await clock.pass(60_000, untilMade(scene))
  expect(countJobs(scene)).toEqual([0, 1])
})

itEndsIn('ExistsUnsigned', 'an unsigned image under the name of the signed one, until it is deleted', async (scene) => {
  await writeKeys(scene)
  await pushBase(scene)
  await pushBase(scene, 'made')
  await createSigned(scene)
  const message = await untilToldOfImages(scene, 'ExistsUnsigned')
  expect(message).toContain('delete it and name the unsigned one in sign.unsignedImage')
  expect(message).toContain(`/opt/lib/modules/`)
  expect(scene.cluster.sandbox.registry.lose(scene.repository, 'made')).toBe(true)
  await clock.pass(60_000, untilMade(scene))
  expect(countJobs(scene)).toEqual([0, 1])
})

itEndsIn('ImageInputMissing', 'a secret with the key that is not there, until it is', async (scene) => {
  await pushBase(scene)
  await writeSecret(scene, 'cert', { cert: keys.cert })
  await createSigned(scene)
  expect(await untilToldOfImages(scene, 'ImageInputMissing')).toContain(`Secret ${scene.name}/key`)
  await writeKeys(scene)
  await clock.pass(60_000, untilMade(scene))
  expect(countJobs(scene)).toEqual([0, 1])
})

itEndsIn('ImageInputMissing', 'a secret without the certificate in it, until it is there', async (scene) => {
  await pushBase(scene)
  await writeSecret(scene, 'key', { key: keys.key })
  await writeSecret(scene, 'cert', { 'tls.crt': keys.cert })
  await createSigned(scene)
  const message = await untilToldOfImages(scene, 'ImageInputMissing')
  expect(message).toContain('has no entry "cert" (it has: tls.crt)')
  await writeKeys(scene)
  await clock.pass(60_000, untilMade(scene))
})

itEndsIn('SigningKeyInvalid', 'a wrong passphrase, until it is the right one', async (scene) => {
  await pushBase(scene)
  await writeKeys(scene, { key: encryptKey('right'), passphrase: Buffer.from('guess') })
  await createSigned(scene)
  const message = await untilToldOfImages(scene, 'SigningKeyInvalid')
  expect(message).toContain(`Secret ${scene.name}/key`)
  expect(message).not.toContain('guess')
  await writeSecret(scene, 'key', { passphrase: Buffer.from('right\n') })
  await clock.pass(60_000, untilMade(scene))
  expect(countJobs(scene)).toEqual([0, 1])
})

itEndsIn('SigningKeyInvalid', 'garbage in the place of the key, until it is one', async (scene) => {
  await pushBase(scene)
  await writeKeys(scene, { key: keys.garbage })
  await createSigned(scene)
  expect(await untilToldOfImages(scene, 'SigningKeyInvalid')).not.toContain(keys.garbage.toString())
  await writeKeys(scene)
  await clock.pass(60_000, untilMade(scene))
})

itEndsIn('SigningKeyInvalid', 'a certificate of another key, until it is that of the key', async (scene) => {
  await pushBase(scene)
  await writeKeys(scene, { cert: keys.otherCert })
  await createSigned(scene)
  await untilToldOfImages(scene, 'SigningKeyInvalid')
  await writeKeys(scene)
  await clock.pass(60_000, untilMade(scene))
})

const filesOf = (path: string): object => ({ sign: { filesToSign: [path] } })

itEndsIn('FilesToSignInvalid', 'a glob that matches nothing, until it matches', async (scene) => {
  await pushBase(scene)
  await writeKeys(scene)
  await createSigned(scene, { filesToSign: ['/opt/lib/modules/${KERNEL_FULL_VERSION}/nothing-*.ko'] })
  expect(await untilToldOfImages(scene, 'FilesToSignInvalid')).toContain('nothing-*.ko')
  await scene.patchContainer(filesOf('/opt/lib/modules/${KERNEL_FULL_VERSION}/*.ko'))
  await untilMade(scene)
  expect(countJobs(scene)[1]).toBeGreaterThan(1)
})

itEndsIn('FilesToSignInvalid', 'a path outside of dirName, until it is inside', async (scene) => {
  await pushBase(scene)
  await writeKeys(scene)
  await createSigned(scene, { filesToSign: ['/etc/kmm_demo.ko'] })
  expect(await untilToldOfImages(scene, 'FilesToSignInvalid')).toContain('it lies outside of dirName')
  expect(countJobs(scene)).toEqual([0, 0])
  await scene.patchContainer(filesOf('/opt/lib/modules/${KERNEL_FULL_VERSION}/kmm_demo.ko'))
  await untilMade(scene)
  expect(countJobs(scene)).toEqual([0, 1])
})

itEndsIn('SignFailed', 'a sign pod that ends without a word, until one does its work', async (scene) => {
  const lift = scene.rule({ do: 'crash', exitCode: 7, message: 'no report' }, '-sign-')
  await pushBase(scene)
  await writeKeys(scene)
  await createSigned(scene)
  expect(await untilToldOfImages(scene, 'SignFailed')).toContain('exit status 7')
  lift()
  await passToRetry(scene, clock, untilMade(scene))
})
