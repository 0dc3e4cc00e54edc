import { hasCode } from '../../src/errors/error.ts'
import type { Machine } from '../../src/sandbox/qemu/machine.ts'
import type { LoadedModule, ProgramResult, TargetNode } from '../conformance/target.ts'

const splitLines = (bytes: Buffer): string[] => {
  const text = bytes.toString()
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}

/** Opens a device and says so before it waits. */
const holdScript = 'exec 3< "$0" && echo held && exec sleep 86400'

/** A node with a real kernel as scenarios use it: what is inside of its machine is the same whatever made it a node. */
export abstract class MachineTargetNode implements TargetNode {
  abstract readonly name: string
  abstract readonly machine: Machine

  async release(): Promise<string> {
    return (await this.machine.runChecked(['uname', '-r'])).trim()
  }

  async bootId(): Promise<string> {
    return (await this.machine.readFile('/proc/sys/kernel/random/boot_id')).toString().trim()
  }

  async loadedModules(names: readonly string[] = []): Promise<LoadedModule[]> {
    const found = await this.machine.modules(names)
    return found.map(({ name, srcversion, taint, refcnt, holders, parameters }) => ({
      name,
      srcversion,
      taint,
      refcnt,
      holders,
      parameters,
    }))
  }

  dmesg(): Promise<string[]> {
    return this.machine.dmesg()
  }

  writeFile(path: string, content: string | Uint8Array): Promise<void> {
    return this.machine.writeFile(path, Buffer.from(content))
  }

  removeFile(path: string): Promise<void> {
    return this.machine.remove(path)
  }

  async readFile(path: string): Promise<string | undefined> {
    try {
      return (await this.machine.readFile(path)).toString()
    } catch (error) {
      if (hasCode(error, 'NotFound')) return undefined
      throw error
    }
  }

  async modprobe(args: readonly string[]): Promise<ProgramResult> {
    const { exitCode, stdout, stderr } = await this.machine.run(['modprobe', ...args])
    return { status: exitCode, stdout: splitLines(stdout), stderr: splitLines(stderr) }
  }

  async hold(module: string): Promise<() => Promise<void>> {
    const device = `/dev/${module}`
    const holder = this.machine.start(['sh', '-c', holdScript, device])
    holder.end()
    let complaint = ''
    holder.errorOutput.on('data', (bytes: Buffer) => {
      complaint += bytes.toString()
    })
    const held = new Promise<void>((resolve) => holder.output.once('data', () => resolve()))
    const ended = holder.answer.then(({ exitCode }) => {
      throw new Error(`${device} of ${this.name} cannot be held: status ${exitCode}, ${complaint.trim()}`)
    })
    await Promise.race([held, ended])
    return async () => {
      holder.signal('SIGKILL')
      await holder.answer
    }
  }

  abstract reboot(options?: { kernel?: string; downMs?: number }): Promise<void>
  abstract label(labels: Readonly<Record<string, string | null>>): Promise<void>
  abstract close(): Promise<void>
}
