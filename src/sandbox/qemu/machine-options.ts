import type { CacheOptions } from './kernels.ts'

/** What a machine is to be. */
export interface MachineOptions extends CacheOptions {
  /** For messages. */
  name: string
  /** The stock Debian kernel that it boots, such as 6.1.0-56-amd64. */
  release: string
  /** The bundle of the agent: `dist/guest-agent.js`. */
  agentProgram: string
  /** Where programs are looked for: the variable PATH. */
  path: string
  /** Default 384. */
  memoryMb?: number
  /** Behind those that every machine has. */
  kernelParameters?: readonly string[]
  /** Boots by EFI; without it QEMU starts the kernel itself. */
  firmware?: MachineFirmware
  /** QEMU's machine type with its properties; default `q35`. */
  type?: string
  /** Read-only ext4 file systems that are laid over the guest's root, the last one on top. */
  layers?: readonly string[]
  /** Size of the disk that keeps what the guest writes, over reboots; sparse. Default 1024. */
  dataMb?: number
  /** Ports of this machine's loopback that lead into the guest. */
  hostForwards?: readonly { host: number; guest: number }[]
  /** More arguments for QEMU. */
  devices?: readonly string[]
  /**
   * Starts from a machine that was saved when it had booted and been prepared; makes and saves it where there is none.
   * `key` stands for all that `prepare` does and depends on.
   */
  saved?: { key: string; prepare?: (machine: PreparedMachine) => Promise<void> }
  /** Told of what really happened in the machine; modules are counted when it goes off. */
  report?: (event: MachineEvent) => void
  /** Default 180 s: emulated machines on a busy computer take long. */
  bootTimeoutMs?: number
}

/** Files of the package ovmf. */
export interface MachineFirmware {
  code: string
  /** Each machine gets a copy. */
  variables: string
  /**
   * A PEM certificate. With it Secure Boot is on: the firmware starts the machine's own kernel and nothing else, and the
   * kernel accepts modules of this signer only. Needs the code that has system management mode (`OVMF_CODE_4M.secboot.fd`).
   */
  trusts?: string
}

/**
 * Something that really happened in a machine. The kernel's own trace tells of modules, but for the drivers of the first file
 * system; one whose init fails is inserted and removed.
 */
export interface MachineEvent {
  what: 'booted' | 'restored' | 'inserted' | 'removed'
  release: string
  /** With `inserted` and `removed`. */
  module?: string
}

/** What a machine can be asked to do before it is saved. */
export interface PreparedMachine {
  run(argv: readonly string[], options?: RunOptions): Promise<GuestRunResult>
  writeFile(path: string, content: Buffer | string, mode?: number): Promise<void>
  readFile(path: string): Promise<Buffer>
}

/** How a program is run in a machine. */
export interface RunOptions {
  stdin?: Buffer
  env?: Readonly<Record<string, string>>
  cwd?: string
  /** Killed after this time; default none. */
  timeoutMs?: number
  signal?: AbortSignal
}

/** What a program in a machine did. */
export interface GuestRunResult {
  /** 128 and more for what was killed. */
  exitCode: number
  stdout: Buffer
  stderr: Buffer
}
