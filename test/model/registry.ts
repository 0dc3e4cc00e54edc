import { createHash } from 'node:crypto'
import { KmmError } from '../../src/errors/error.ts'
import type { createRegistry, Registry } from '../../src/oci/registry.ts'
import { formatReference } from '../../src/oci/reference.ts'
import type { Chance } from './chance.ts'
import type { VirtualTime } from './time.ts'

/** The model's registry: which digest each name means, and whether anybody can ask. */
export class ModelRegistry {
  readonly #tags = new Map<string, string>()
  readonly #lost = new Set<string>()
  readonly #time: VirtualTime
  readonly #chance: Chance
  reachable = true
  /** Some name means another image than before: that is found out within the hour. */
  hasMoved = false

  constructor(time: VirtualTime, chance: Chance) {
    this.#time = time
    this.#chance = chance
  }

  /** Pushes an image, or another one under its name. */
  push(image: string, build: number): void {
    if (this.#tags.has(image)) this.hasMoved = true
    this.#tags.set(image, `sha256:${createHash('sha256').update(`${image} ${build}`).digest('hex')}`)
    this.#lost.delete(image)
  }

  lose(image: string): void {
    this.#lost.add(image)
  }

  isLost(image: string): boolean {
    return this.#lost.has(image)
  }

  get hasLost(): boolean {
    return this.#lost.size > 0
  }

  restoreAll(): void {
    this.#lost.clear()
  }

  /** The digest that a name means now; undefined when there is no such image. */
  find(image: string): string | undefined {
    return this.#lost.has(image) ? undefined : this.#tags.get(image)
  }

  /** Opens the client that the operator asks with. */
  readonly open: typeof createRegistry = () => {
    const unused = (): never => {
      throw new Error('the model gives no content')
    }
    return {
      headManifest: async (reference) => {
        await new Promise<void>((resolve) => this.#time.setTimeout(resolve, this.#chance.between(5, 300)))
        const image = formatReference(reference)
        if (!this.reachable)
          throw new KmmError('the registry does not answer', { code: 'RegistryUnreachable', fate: 'retry' })
        const digest = this.find(image)
        if (digest === undefined) throw new KmmError(`no image ${image}`, { code: 'ImageNotFound', fate: 'wait' })
        return { digest, mediaType: 'application/vnd.oci.image.manifest.v1+json', size: 1 }
      },
      getManifest: unused,
      // Only preflights look into images, and find nothing in them here.
      resolveImage: async () => {
        await new Promise<void>((resolve) => this.#time.setTimeout(resolve, this.#chance.between(5, 300)))
        if (!this.reachable)
          throw new KmmError('the registry does not answer', { code: 'RegistryUnreachable', fate: 'retry' })
        throw new KmmError('the image is empty', { code: 'ImageInvalid', fate: 'terminal' })
      },
      openBlob: unused,
      readConfig: unused,
      uploaderFor: unused,
      close: async () => undefined,
    } satisfies Registry
  }
}
