import { promisify } from 'node:util'
import zlib from 'node:zlib'
import type { ModuleCompression } from './compression.ts'
import { storeAsXz } from './xz-store.ts'
import { storeAsZstd } from './zstd-store.ts'

const gzip = promisify<Uint8Array, Buffer>(zlib.gzip)

/**
 * Packs a module file in one of the four forms. Node.js has no xz, and zstd only from 22.15 on, and no library has them
 * without native code: where there is no compressor the bytes are stored, not compressed, in the container of that form, which
 * the kernel and modprobe read like any other. Such a file is as large as the plain module.
 */
export async function compressModule(data: Uint8Array, kind: ModuleCompression): Promise<Uint8Array> {
  switch (kind) {
    case 'none':
      return data
    case 'gzip':
      return gzip(data)
    case 'xz':
      return storeAsXz(data)
    case 'zstd':
      return (await compressZstd(data)) ?? storeAsZstd(data)
  }
}

/** Node's own zstd, undefined where it has none. */
async function compressZstd(data: Uint8Array): Promise<Uint8Array | undefined> {
  const { zstdCompress } = zlib as { zstdCompress?: ZstdCompress }
  return zstdCompress === undefined ? undefined : promisify(zstdCompress)(data)
}

type ZstdCompress = (data: Uint8Array, callback: (error: Error | null, result: Uint8Array) => void) => void
