/** Modules that a write under way puts onto a node: until it is answered, no cache knows of it. */
export interface Claims {
  /** Runs a write that names these Modules (`namespace/name`). */
  hold<T>(modules: readonly string[], write: () => Promise<T>): Promise<T>
  has(module: string): boolean
}

/** Makes the claims that `plan` sets and `report` respects before it frees a Module. */
export function createClaims(): Claims {
  const counts = new Map<string, number>()
  const change = (module: string, by: number): void => {
    const count = (counts.get(module) ?? 0) + by
    if (count > 0) counts.set(module, count)
    else counts.delete(module)
  }
  return {
    async hold(modules, write) {
      for (const module of modules) change(module, 1)
      try {
        return await write()
      } finally {
        for (const module of modules) change(module, -1)
      }
    },
    has: (module) => counts.has(module),
  }
}
