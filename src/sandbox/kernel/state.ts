import type { Errno } from './errno.ts'

/** A module that is in the virtual kernel. */
export interface LoadedModule {
  name: string
  srcversion: string
  version: string
  /** As `/sys/module/<name>/taint` shows it: letters such as `OE`, or nothing. */
  taint: string
  /** Loaded modules whose symbols it uses; they hold its references. */
  depends: string[]
  exports: string[]
  /** References that no module holds: open devices, mounts. */
  uses: number
  /** References in the name of something that shows as a module in `holders`. */
  holders: string[]
  parameters: Record<string, string>
  size: number
}

/** What a module's code would do in a real kernel. The virtual one runs no code, so it is told. */
export interface ModuleBehaviour {
  /** Files without which the module's init fails, as they are given to request_firmware. */
  needsFirmware?: string[]
  /** A bool parameter that makes the firmware optional. */
  firmwareOptionalBy?: string
  /** What its parameters are unless they are given. */
  parameterDefaults?: Record<string, string>
  /** A bool parameter with which init finds no device. */
  absentBy?: string
  /** What its code prints when it is in the kernel, and when it leaves. */
  saysAtStart?: string
  saysAtEnd?: string
  /** Bounds that init checks; outside it fails with EINVAL. */
  parameterBounds?: Record<string, { minimum: number; maximum: number }>
  /** Init fails with this error. */
  failInit?: Errno
  /** Removal fails with this error. */
  failRemove?: Errno
  /** How long init takes before it answers. */
  initMs?: number
}

/** Something that happened to a module, in the order in which it did. */
export interface KernelEvent {
  action: 'insert' | 'remove'
  module: string
  srcversion: string
  bootId: string
}

/** All that a virtual kernel knows; kept in one file, so that modprobe, another process, sees and changes the same. */
export interface KernelState {
  release: string
  architecture: string
  bootId: string
  /** Unsigned modules, and those of unknown signers, are refused (`module.sig_enforce`). */
  enforceSignatures: boolean
  /** Where they are not: the same is refused as of `lockdown=integrity`, in other words. */
  lockdown: boolean
  /** PEM certificates whose signatures are accepted. */
  trustedCertificates: string[]
  /** Nothing can be inserted or removed (`kernel.modules_disabled`). */
  modulesDisabled: boolean
  builtin: string[]
  /** Symbols that this kernel does not export, whoever asks. */
  missingSymbols: string[]
  behaviours: Record<string, ModuleBehaviour>
  /** What the kernel says once a boot, and has said. */
  said: string[]
  loaded: Record<string, LoadedModule>
  history: KernelEvent[]
}

/** What the modules under examples/kmod do when their code runs, but for the words in which they count. */
export const exampleBehaviours: Readonly<Record<string, ModuleBehaviour>> = {
  kmm_demo: {
    parameterBounds: { count: { minimum: 0, maximum: 100 } },
    parameterDefaults: { count: '1', greeting: 'hello' },
    saysAtEnd: 'goodbye',
  },
  kmm_demo_dep: { saysAtStart: 'ready to count' },
  kmm_demo_fw: {
    needsFirmware: ['kmm/demo.bin'],
    firmwareOptionalBy: 'optional',
    parameterDefaults: { optional: 'N' },
  },
  kmm_demo_dev: {
    absentBy: 'absent',
    parameterDefaults: { absent: 'N' },
    saysAtStart: 'is there',
    saysAtEnd: 'is gone',
  },
  kmm_demo_crc: { saysAtStart: 'the sum is abe7', saysAtEnd: 'sums no more' },
  dummy: { saysAtStart: "stands in for the kernel's own", saysAtEnd: 'stands in no more' },
}

/** The modules of a state that hold a reference to one, by name. */
export function holdersOf(state: KernelState, name: string): string[] {
  const users = Object.values(state.loaded).filter((module) => module.depends.includes(name))
  return [...users.map((module) => module.name), ...(state.loaded[name]?.holders ?? [])]
}

/** The number in `/sys/module/<name>/refcnt`. */
export function referencesOf(state: KernelState, name: string): number {
  return holdersOf(state, name).length + (state.loaded[name]?.uses ?? 0)
}
