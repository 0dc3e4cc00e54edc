/** A module in the kernel of a machine. */
export interface Inserted {
  /** Its name in the kernel. */
  name: string
  /** `namespace/name` of the Module whose worker inserted it. */
  owner: string
  image: string
  digest: string
  parameters: readonly string[]
  atMs: number
}

/** The running kernel of a machine: what is inserted is gone with the boot. */
export class ModelKernel {
  readonly release: string
  readonly bootId: string
  readonly modules = new Map<string, Inserted>()

  constructor(release: string, bootId: string) {
    this.release = release
    this.bootId = bootId
  }

  /** What a Module's worker has inserted; undefined when nothing of it is there. */
  ofOwner(owner: string): Inserted | undefined {
    return [...this.modules.values()].find((each) => each.owner === owner)
  }
}
