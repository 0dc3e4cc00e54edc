import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gunzipSync, gzipSync } from 'node:zlib'
import { extract, type Header } from 'tar-stream'
import type { ImagePlace, ImageSelection } from '../src/image/select-image.ts'
import { signImage, type SignImageOptions, type SignImageResult } from '../src/image/sign-image.ts'
import { findAppendedSignature } from '../src/kmod/signature.ts'
import { createModuleSigner, type ModuleSigner } from '../src/kmod/signature-key.ts'
import type { ImageManifest } from '../src/oci/manifest.ts'
import { parseReference } from '../src/oci/reference.ts'
import { createRegistry, type Registry } from '../src/oci/registry.ts'
import { type SandboxRegistry, startRegistry } from '../src/sandbox/registry/registry.ts'
import { buildTar, type TestEntry } from './tar-builder.ts'

const read = (name: string): Buffer => readFileSync(`src/kmod/testdata/signing/${name}`)
const golden = read('rsa-sha256.ko')

/** A module before and after the kernel's own sign-file has signed it with the key of `rsaSigner`. */
export const unsignedModule = golden.subarray(0, findAppendedSignature(golden)!.signedBytes)
export const signedModule = golden
export const signedByOther = read('ec-sha384.ko')

/** The signers of the test data. */
export const signerOf = (name: 'rsa' | 'ec'): ModuleSigner =>
  createModuleSigner({ key: read(`${name}.key`), certificate: read(`${name}.pem`) })

/** An entry of a layer, with its bytes. */
export interface LayerFile {
  header: Header
  content: Buffer
}

/** Registries, a client and temporary folders for one test. */
export class SigningFixture {
  readonly registry: SandboxRegistry
  readonly client: Registry
  readonly workFolder = mkdtempSync(join(tmpdir(), 'kmm-image-'))
  readonly #others: SandboxRegistry[] = []

  private constructor(registry: SandboxRegistry) {
    this.registry = registry
    this.client = createRegistry({
      settings: {},
      tls: { insecure: true, insecureSkipTLSVerify: false },
      retries: { firstDelayMs: 1, maximumDelayMs: 1 },
    })
  }

  static async start(): Promise<SigningFixture> {
    return new SigningFixture(await startRegistry())
  }

  async startOther(): Promise<SandboxRegistry> {
    const other = await startRegistry()
    this.#others.push(other)
    return other
  }

  /** What a run has left among temporary files. */
  get leftovers(): string[] {
    return readdirSync(this.workFolder)
  }

  place(name: string, registry = this.registry): ImagePlace {
    return { registry: this.client, reference: parseReference(`${registry.address}/${name}`) }
  }

  /** Pushes layers, the lowest first, as `kmods/unsigned:v1`. */
  async push(layers: readonly (readonly TestEntry[])[], more: { docker?: boolean; tag?: string } = {}) {
    return this.registry.push({
      repository: 'kmods/unsigned',
      tag: 'v1',
      ...more,
      config: { history: layers.map(() => ({ created_by: 'test' })) },
      layers: layers.map((entries) => ({
        bytes: gzipSync(buildTar(entries)),
        mediaType: more.docker
          ? 'application/vnd.docker.image.rootfs.diff.tar.gzip'
          : 'application/vnd.oci.image.layer.v1.tar+gzip',
      })),
    })
  }

  select(filesToSign: readonly string[]): ImageSelection {
    return {
      source: this.place('kmods/unsigned:v1'),
      platform: { os: 'linux', architecture: 'amd64' },
      filesToSign,
      dirName: '/opt',
      workFolder: this.workFolder,
      log: () => undefined,
      signal: new AbortController().signal,
    }
  }

  sign(filesToSign: readonly string[], more: Partial<SignImageOptions> = {}): Promise<SignImageResult> {
    const target = this.place('kmods/signed:v1')
    return signImage({ ...this.select(filesToSign), target, signer: signerOf('rsa'), ...more })
  }

  async manifest(name: string, registry = this.registry): Promise<ImageManifest & { digest: string }> {
    const { reference } = this.place(name, registry)
    const resolved = await this.client.resolveImage(reference, { os: 'linux', architecture: 'amd64' })
    return { ...resolved.manifest, digest: resolved.digest }
  }

  async blob(name: string, descriptor: ImageManifest['config'], registry = this.registry): Promise<Buffer> {
    const chunks: Buffer[] = []
    const stream = await this.client.openBlob(this.place(name, registry).reference, descriptor)
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  /** What the newest layer of an image holds; its digest in the configuration is checked. */
  async newestLayer(name = 'kmods/signed:v1', registry = this.registry): Promise<LayerFile[]> {
    const manifest = await this.manifest(name, registry)
    const archive = gunzipSync(await this.blob(name, manifest.layers.at(-1)!, registry))
    const config = JSON.parse((await this.blob(name, manifest.config, registry)).toString()) as {
      rootfs: { diff_ids: string[] }
    }
    const diffId = `sha256:${createHash('sha256').update(archive).digest('hex')}`
    if (config.rootfs.diff_ids.at(-1) !== diffId) throw new Error('the configuration names another layer')
    const files: LayerFile[] = []
    for await (const entry of Readable.from([archive]).pipe(extract())) {
      const chunks: Buffer[] = []
      for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk)
      files.push({ header: entry.header, content: Buffer.concat(chunks) })
    }
    return files
  }

  async stop(): Promise<void> {
    await this.client.close()
    for (const registry of [this.registry, ...this.#others]) await registry.stop()
    rmSync(this.workFolder, { recursive: true })
  }
}
