/** Name of the virtio-serial port between a machine's agent and its host. */
export const agentPortName = 'kmm.agent'

/** A module in the guest's kernel, as `/sys/module` shows it. */
export interface GuestModule {
  name: string
  srcversion: string
  version: string
  /** Letters, such as `OE`. */
  taint: string
  refcnt: number
  holders: string[]
  parameters: Record<string, string>
}

/** A request that is answered at once. */
export type PlainRequest =
  /** Answers once the agent is there. */
  | { op: 'hello' }
  /** Answers the names in a folder. */
  | { op: 'list'; path: string }
  /** Answers what a path is, a `GuestPathKind`; links are followed. */
  | { op: 'stat'; path: string }
  /** Makes a folder and those above it. */
  | { op: 'makeFolder'; path: string }
  /** Removes a file or a folder with everything in it, if it is there. */
  | { op: 'remove'; path: string }
  /** Answers the loaded modules, by name: a list of `GuestModule`; with `names` those alone, and such as are out of tree. */
  | { op: 'modules'; names?: readonly string[] }

/** What the host asks the agent in the guest to do; each request has a stream of its own. */
export type GuestRequest =
  | PlainRequest
  /** Runs a program; input, output and signals go over the stream; answers `GuestEnd`. */
  | { op: 'run'; argv: readonly string[]; env?: Readonly<Record<string, string>>; cwd?: string }
  /** Sends a file's bytes as output. */
  | { op: 'read'; path: string }
  /** Writes the input into a file, making its folders; it appears whole. */
  | { op: 'write'; path: string; mode?: number }
  /** Listens on a port of the guest's loopback and leads what comes to the same port of the host's. */
  | { op: 'forward'; port: number }

/** How a program in the guest ended. */
export interface GuestEnd {
  exitCode: number
  signal?: string
}

/** What a path in the guest is. */
export type GuestPathKind = 'directory' | 'file' | 'socket' | 'character device' | 'block device' | 'other'
