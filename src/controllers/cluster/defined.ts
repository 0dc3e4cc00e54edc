/** An object's fields that may be absent, without those that are undefined. */
export type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** Drops the fields that are undefined, so that an optional field is absent rather than undefined. */
export function defined<T extends object>(fields: T): Defined<T> {
  const kept: Partial<T> = {}
  // A plain loop: this runs for every node at every look at a Module.
  for (const key in fields) if (fields[key] !== undefined) kept[key] = fields[key]
  return kept as Defined<T>
}
