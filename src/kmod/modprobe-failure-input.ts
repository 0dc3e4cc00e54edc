/** What modprobe was run for. */
export type ModprobeAction = 'load' | 'unload' | 'removeInTree'

/** What is known of a modprobe that failed. All texts are hostile. */
export interface ModprobeFailureInput {
  action: ModprobeAction
  /** The module or modules that the command named. */
  moduleName: string
  stderr: string
  stdout?: string | undefined
  /** New lines of the kernel's log, where the worker may read it; they are more exact than modprobe's words. */
  kernelLog?: string | undefined
  /** `uname -r` of the node, for the message. */
  kernelRelease?: string | undefined
  /** Whether the Module gives parameters; undefined when that is not known. */
  hasParameters?: boolean | undefined
  /** Modules that use it, from `/sys/module/<name>/holders`; modprobe says only that there are users. */
  holders?: readonly string[] | undefined
  /** Firmware files that the module declares and that are not on the node. */
  missingFirmware?: readonly string[] | undefined
}
