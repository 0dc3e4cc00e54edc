import type { Readable } from 'node:stream'

/** What a manifest says about one layer. */
export interface LayerDescriptor {
  mediaType: string
  /** `sha256:<hex>` of the bytes as they travel, that is, compressed. */
  digest: string
  /** Size of the same bytes. */
  size: number
}

/** One layer of an image, wherever its bytes come from. */
export interface LayerSource {
  descriptor: LayerDescriptor
  /**
   * Opens the layer's bytes from their beginning; may be called again. The stream verifies itself: at its end it fails
   * with `ImageInvalid` when digest or size disagree with the descriptor.
   */
  open(signal: AbortSignal): Promise<Readable>
}
