import type { KubeClient } from '../../src/kube/client.ts'
import type { LayerEntry } from '../../src/sandbox/registry/types.ts'

/** A module in a node's kernel, as `/sys/module` shows it. */
export interface LoadedModule {
  name: string
  srcversion: string
  taint: string
  refcnt: number
  /** Modules that use it, sorted. */
  holders: string[]
  /** Readable parameters, by name, without the newline. */
  parameters: Record<string, string>
}

/** How a program on a node ended; lines without their newlines. */
export interface ProgramResult {
  status: number
  stdout: string[]
  stderr: string[]
}

/** A node whose kernel a scenario looks into. Every path is one on the node's disk. */
export interface TargetNode {
  /** Of its Node object. */
  readonly name: string
  /** `uname -r`. */
  release(): Promise<string>
  bootId(): Promise<string>
  /** The out-of-tree modules in its kernel and those of `names`, sorted by name. */
  loadedModules(names?: readonly string[]): Promise<LoadedModule[]>
  /** What its kernel has said since boot, without time stamps. */
  dmesg(): Promise<string[]>
  /** Writes a file and the folders above it; it stays over a reboot. */
  writeFile(path: string, content: string | Uint8Array): Promise<void>
  /** Removes a file; nothing happens where there is none. */
  removeFile(path: string): Promise<void>
  /** Reads a text file, also one of /sys or /proc; undefined where there is none. */
  readFile(path: string): Promise<string | undefined>
  /** Runs the node's own modprobe as its administrator does. */
  modprobe(args: readonly string[]): Promise<ProgramResult>
  /** Opens the device file `/dev/<module>` that a loaded module offers, and so holds it in use; the answer closes it. */
  hold(module: string): Promise<() => Promise<void>>
  /**
   * Boots it again, into another kernel if one is named. Without `downMs` it is back before anybody notices that it was gone;
   * else it is away for as long, and at least until its Node is no longer Ready. Resolves when its Node is Ready with the new
   * boot ID.
   */
  reboot(options?: { kernel?: string; downMs?: number }): Promise<void>
  /** Sets labels of the Node object; null removes one. */
  label(labels: Readonly<Record<string, string | null>>): Promise<void>
  /** Ends the scenario's use of it; the target may give it, with a fresh kernel, to the next one. */
  close(): Promise<void>
}

/** What a scenario wants a node to be. */
export interface NodeWish {
  /** Suggests a name; targets with fixed nodes give their own. */
  name: string
  /** Default: the first of the target's releases. */
  release?: string
  labels?: Readonly<Record<string, string>>
  /** In-tree modules that have to be in the tree of its kernels, loaded or not. */
  inTree?: readonly string[]
  /** It enforces signatures from the start. */
  enforcing?: boolean
  /** The one certificate (PEM) that it trusts where it enforces signatures; default that of the signed examples. */
  trusts?: string
}

/** The registry from which operator and workers pull. */
export interface TargetRegistry {
  /** `host:port`, as image references name it, for the operator and on every node alike. */
  readonly address: string
  /** Pushes an image of one layer a list; answers the reference with its tag, and its digest. */
  push(image: { repository: string; tag: string; layers: readonly (readonly LayerEntry[])[] }): Promise<{
    image: string
    digest: string
  }>
  /** The tags of a repository, sorted. */
  tags(repository: string): Promise<string[]>
  /** Loses a tag, or an image by its digest with all its tags; layers stay. False where there is none. */
  lose(repository: string, reference: string): boolean
  /** Cuts every connection until it is brought back. */
  takeDown(): void
  bringBack(): void
  /** How many requests it has had. */
  readonly requestCount: number
}

/** How an operator of a scenario differs from the shipped one. */
export interface OperatorWish {
  /** The configuration file's text. */
  config?: string
}

/** A running operator. */
export interface TargetOperator {
  /** Everything it has logged. */
  readonly log: readonly string[]
  /** Ends it as SIGKILL would: nothing is finished, nothing released. */
  kill(): Promise<void>
  stop(): Promise<void>
}

/** A cluster with nodes, on which scenarios run that are written once for all of them. */
export interface Target {
  /** Such as `virtual kernels on the sandbox`. */
  readonly name: string
  /** An administrator's. */
  readonly client: KubeClient
  readonly registry: TargetRegistry
  /** The kernel releases of its nodes, the one that nodes boot by default first. */
  readonly releases: readonly string[]
  /** Scenarios wait this many times longer than on virtual kernels before they give up. */
  readonly patience: number
  openNode(wish: NodeWish): Promise<TargetNode>
  startOperator(wish?: OperatorWish): Promise<TargetOperator>
  /** Takes the worker's image away from the nodes of the target; the answer brings it back. */
  loseWorkerImage(): Promise<() => Promise<void>>
  stop(): Promise<void>
}
