import { Transform } from 'node:stream'
import type { Registry } from '../../oci/registry.ts'

/** Shows on a terminal how many bytes were read; writes nothing where nobody watches. */
export interface Progress {
  /** The same client; what it reads is counted. */
  watch(registry: Registry): Registry
  /** Clears the line. */
  end(): void
}

/** What progress is shown with: `write` takes text as it is, `now` gives milliseconds. */
export interface ProgressOptions {
  isTerminal: boolean
  write: (text: string) => void
  now: () => number
}

/** A pull that is over sooner than this is not worth a line. */
const quietMs = 1000
const intervalMs = 200

/** Makes the progress of one command. */
export function createProgress({ isTerminal, write, now }: ProgressOptions): Progress {
  const started = now()
  let [bytes, shownAt, isShown] = [0, started + quietMs, false]
  const count = (more: number): void => {
    bytes += more
    if (now() < shownAt) return
    shownAt = now() + intervalMs
    isShown = true
    const seconds = (now() - started) / 1000
    write(`\r\u001b[K${formatBytes(bytes)} read, ${formatBytes(bytes / seconds)}/s`)
  }
  return {
    watch: (registry) => {
      if (!isTerminal) return registry
      return {
        ...registry,
        openBlob: async (...asked) => {
          const source = await registry.openBlob(...asked)
          const counted = new Transform({
            transform(chunk: Buffer, _encoding, done) {
              count(chunk.byteLength)
              done(null, chunk)
            },
          })
          source.once('error', (error) => counted.destroy(error))
          counted.once('close', () => source.destroy())
          return source.pipe(counted)
        },
      }
    },
    end: () => {
      if (isShown) write('\r\u001b[K')
      isShown = false
    },
  }
}

/** Bytes in the unit that people read: `12.3 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB']
  let [value, unit] = [bytes, 0]
  for (; value >= 1000 && unit < units.length - 1; unit += 1) value /= 1000
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}
