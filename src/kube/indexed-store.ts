import { KmmError } from '../errors/error.ts'

/** What a cache keeps of one object. */
export interface Entry<T> {
  key: string
  uid: string
  resourceVersion: string
  /** Finalizers hold it: a deletion only marks it. */
  held: boolean
  object: T
}

/** Names the values that an object is filed under. */
export type Indexes<T> = Readonly<Record<string, (object: T) => readonly string[]>>

interface Bucket<T> {
  objects: Map<string, T>
  /** The same as a list, made when first asked for. */
  list: readonly T[] | undefined
}

/** Entries by key, with their objects filed under the values of indexes. */
export interface IndexedStore<T> {
  get(key: string): Entry<T> | undefined
  set(entry: Entry<T>): void
  remove(key: string): void
  keys(): string[]
  /** The same array until something changes. */
  list(): readonly T[]
  byIndex(index: string, value: string): readonly T[]
}

const nothing: readonly never[] = Object.freeze([])

function listOf<T>(bucket: Bucket<T>): readonly T[] {
  bucket.list ??= Object.freeze([...bucket.objects.values()])
  return bucket.list
}

function put<T>(bucket: Bucket<T>, key: string, object: T): void {
  bucket.objects.set(key, object)
  bucket.list = undefined
}

function take<T>(bucket: Bucket<T>, key: string): void {
  bucket.objects.delete(key)
  bucket.list = undefined
}

/** The buckets of one index. */
interface Filing<T> {
  valuesOf: (object: T) => readonly string[]
  buckets: Map<string, Bucket<T>>
}

function file<T>({ valuesOf, buckets }: Filing<T>, key: string, object: T): void {
  for (const value of valuesOf(object)) {
    const bucket = buckets.get(value) ?? { objects: new Map<string, T>(), list: undefined }
    buckets.set(value, bucket)
    put(bucket, key, object)
  }
}

function unfile<T>({ valuesOf, buckets }: Filing<T>, key: string, object: T): void {
  for (const value of valuesOf(object)) {
    const bucket = buckets.get(value)
    if (!bucket) continue
    take(bucket, key)
    if (bucket.objects.size === 0) buckets.delete(value)
  }
}

function missingIndex(index: string): KmmError {
  return new KmmError(`the cache has no index ${index}: this is a defect of KMM`, {
    code: 'Internal',
    fate: 'terminal',
  })
}

/** An empty store. */
export function createIndexedStore<T>(indexes: Indexes<T>): IndexedStore<T> {
  const entries = new Map<string, Entry<T>>()
  const all: Bucket<T> = { objects: new Map(), list: undefined }
  const filings = new Map<string, Filing<T>>()
  for (const [name, valuesOf] of Object.entries(indexes)) filings.set(name, { valuesOf, buckets: new Map() })

  return {
    get: (key) => entries.get(key),
    set: (entry) => {
      const { key, object } = entry
      const previous = entries.get(key)
      entries.set(key, entry)
      // An object that stayed the same is filed where it belongs already.
      if (previous?.object === object) return
      put(all, key, object)
      for (const filing of filings.values()) {
        if (previous) unfile(filing, key, previous.object)
        file(filing, key, object)
      }
    },
    remove: (key) => {
      const previous = entries.get(key)
      if (!previous) return
      entries.delete(key)
      take(all, key)
      for (const filing of filings.values()) unfile(filing, key, previous.object)
    },
    keys: () => [...entries.keys()],
    list: () => listOf(all),
    byIndex: (index, value) => {
      const filing = filings.get(index)
      if (!filing) throw missingIndex(index)
      const bucket = filing.buckets.get(value)
      return bucket ? listOf(bucket) : nothing
    },
  }
}
