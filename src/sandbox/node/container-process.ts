import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Container } from 'kubernetes-types/core/v1.js'
import { containerFile } from '../modprobe/session.ts'
import { keepLog } from './container-log.ts'
import { killTree } from './process-tree.ts'
import { mountVolumes } from './volumes.ts'

/** The kubelet keeps this much of a termination message. */
export const terminationMessageBytes = 4_096

/** How a process has ended. */
export interface ProcessEnd {
  exitCode: number
  signal?: number
  message: string
}

/** What a container's process is started with. */
export interface ContainerStart {
  /** The program and its arguments, the container's own among them. */
  program: string
  argv: readonly string[]
  environment: Readonly<Record<string, string>>
  root: string
  logFile: string
}

/** A container's process that has been started. */
export interface RunningContainer {
  readonly ended: Promise<ProcessEnd>
  /** Sends SIGTERM, or SIGKILL. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

/** Makes the root of a container: links for `/sys`, `/proc` and its volumes, and what it may do. */
export async function prepareRoot(
  root: string,
  nodeRoot: string,
  container: Container,
  volumes: ReadonlyMap<string, string>,
): Promise<void> {
  await rm(root, { recursive: true, force: true })
  await mkdir(join(root, 'dev'), { recursive: true })
  await mkdir(join(root, 'etc'))
  await symlink(join(nodeRoot, 'sys'), join(root, 'sys'))
  await symlink(join(nodeRoot, 'proc'), join(root, 'proc'))
  await mountVolumes(root, container, volumes)
  const { capabilities, privileged } = container.securityContext ?? {}
  const may = { capabilities: capabilities?.add ?? [], privileged: privileged ?? false }
  await writeFile(join(root, containerFile), JSON.stringify(may))
}

/** Numbers of signals by name, those that end containers. */
export const signalNumbers: Readonly<Record<string, number>> = { SIGKILL: 9, SIGTERM: 15, SIGSEGV: 11, SIGABRT: 6 }

async function readMessage(path: string): Promise<string> {
  try {
    const bytes = await readFile(path)
    return bytes.subarray(0, terminationMessageBytes).toString('utf8')
  } catch {
    return ''
  }
}

function watchEnd(child: ChildProcess, terminationLog: string): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    const finish = (exitCode: number, signal?: number, problem?: string): void => {
      void readMessage(terminationLog).then((message) =>
        resolve({ exitCode, message: problem ?? message, ...(signal === undefined ? {} : { signal }) }),
      )
    }
    child.once('error', (error) => finish(128, undefined, error.message))
    child.once('close', (code, name) => {
      const signal = name === null ? undefined : (signalNumbers[name] ?? 1)
      finish(code ?? 128 + (signal ?? 0), signal)
    })
  })
}

/** Starts a process in a container's root, without a shell; what it prints goes to the log file. */
export async function startContainer(start: ContainerStart): Promise<RunningContainer> {
  const terminationLog = join(start.root, 'dev/termination-log')
  await writeFile(terminationLog, '')
  const child = spawn(start.program, start.argv, {
    cwd: start.root,
    env: start.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const kept = keepLog(start.logFile, [child.stdout, child.stderr]).catch(() => undefined)
  const ended = watchEnd(child, terminationLog).then(async (end) => {
    await kept
    return end
  })
  const kill = (signal: 'SIGTERM' | 'SIGKILL'): void => {
    const { pid, exitCode, signalCode } = child
    if (signal === 'SIGKILL' && pid !== undefined && exitCode === null && signalCode === null) killTree(pid)
    else child.kill(signal)
  }
  return { ended, kill }
}
