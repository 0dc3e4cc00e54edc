/** An object's fields that may be absent, without those that are undefined. */
export type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** Drops the fields that are undefined, so that an optional field is absent rather than undefined. */
export function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>
}
