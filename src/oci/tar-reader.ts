import { extract, type ExtractEvents, type Header } from 'tar-stream'

type EntryStream = ExtractEvents['entry'][1]
type NextEntry = ExtractEvents['entry'][2]

/** What a tar says about one entry. */
export interface TarEntry {
  name: string
  /** Undefined for kinds without a name here, such as sparse files. */
  type: Header['type'] | undefined
  size: number
  mode: number
  linkName: string
  /** Extended attributes: their names tell formats that change what the bytes mean. */
  extensions: readonly string[]
  owner: TarOwner
  /** Seconds since 1970, with a fraction where the archive has one. */
  modifiedAt: number
  /** All of the entry's PAX records, the extended attributes among them. Bytes that are not UTF-8 are damaged in them. */
  pax: Readonly<Record<string, string>>
}

/** Whom an entry belongs to. */
export interface TarOwner {
  uid: number
  gid: number
}

/** Takes an entry's bytes as they come. */
export interface TarEntrySink {
  write(chunk: Uint8Array): void
  end(): void
}

/** Looks at an entry. Without a sink its bytes are skipped. What it or the sink throws ends the reading. */
export type OnTarEntry = (entry: TarEntry) => TarEntrySink | undefined

/** Reads a tar to the end of its bytes, entry by entry. Rejects at the first thing that is wrong. */
export async function readTar(chunks: AsyncIterable<Uint8Array>, onEntry: OnTarEntry): Promise<void> {
  const parser = extract()
  const progress = new Progress()
  parser.on('drain', () => progress.advance())
  parser.on('finish', () => progress.advance())
  parser.on('error', (error: unknown) => progress.fail(error))
  parser.on('entry', (header, stream, next) => consumeEntry(() => onEntry(describeEntry(header)), stream, next))
  try {
    for await (const chunk of chunks) {
      progress.expect()
      if (!parser.write(chunk)) await progress.wait()
      progress.check()
    }
    progress.expect()
    parser.end(null)
    await progress.wait()
  } finally {
    parser.destroy()
  }
}

/** Waits for the parser's next event without piling up a promise for each chunk. */
class Progress {
  #failure: { error: unknown } | undefined
  #advanced = false
  #wake: (() => void) | undefined

  expect(): void {
    this.#advanced = false
  }

  advance(): void {
    this.#advanced = true
    this.#wake?.()
  }

  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#wake?.()
  }

  check(): void {
    if (this.#failure) throw this.#failure.error
  }

  async wait(): Promise<void> {
    if (!this.#advanced && !this.#failure) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.check()
  }
}

function consumeEntry(open: () => TarEntrySink | undefined, stream: EntryStream, next: NextEntry): void {
  const attempt = (step: () => void): void => {
    try {
      step()
    } catch (error) {
      next(error instanceof Error ? error : new Error(String(error)))
    }
  }
  stream.on('error', () => {}) // The parser reports it too.
  attempt(() => {
    const sink = open()
    if (sink) stream.on('data', (chunk) => attempt(() => sink.write(chunk as Uint8Array)))
    stream.on('end', () =>
      attempt(() => {
        sink?.end()
        next()
      }),
    )
    stream.resume()
  })
}

function describeEntry(header: Header): TarEntry {
  // The library's types leave out that either is null where the archive says nothing.
  const { type, linkname } = header as { type: Header['type'] | null; linkname: string | null }
  const pax = readPax(header)
  return {
    name: header.name,
    type: type ?? undefined,
    size: header.size,
    mode: header.mode,
    linkName: linkname ?? '',
    extensions: Object.keys(pax),
    owner: { uid: readNumber(pax['uid']) ?? header.uid, gid: readNumber(pax['gid']) ?? header.gid },
    modifiedAt: readNumber(pax['mtime']) ?? header.mtime.getTime() / 1000,
    pax,
  }
}

function readPax(header: Header): Readonly<Record<string, string>> {
  const { pax } = header as { pax?: unknown }
  return typeof pax === 'object' && pax !== null ? (pax as Record<string, string>) : {}
}

function readNumber(text: string | undefined): number | undefined {
  const value = Number(text ?? Number.NaN)
  return Number.isFinite(value) ? value : undefined
}
