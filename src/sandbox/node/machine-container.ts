import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Container } from 'kubernetes-types/core/v1.js'
import type { GuestProcess } from '../qemu/agent-client.ts'
import type { Machine } from '../qemu/machine.ts'
import { runTool } from '../qemu/run-tool.ts'
import type { WorkerStart } from './backend.ts'
import { expandVariables } from './expand-variables.ts'
import { keepLog } from './container-log.ts'
import { limitPrivileges } from './container-privileges.ts'
import { type ProcessEnd, type RunningContainer, signalNumbers, terminationMessageBytes } from './container-process.ts'
import { MountFailure } from './mount-failure.ts'

/** Where the worker that ships is on a node with a real kernel: as on the disk of the worker's image. */
export const workerOnNode = '/var/lib/kmm-sandbox/worker.mjs'
const workerInImage = '/usr/local/lib/kmm/worker.mjs'
const imagePath = '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Where everything of the pods is in the guest; what runs containers there cannot use the node's own root for it. */
export const podsFolder = '/run/kmm/disk/pods'

/** A container that cannot be killed, since it waits in the kernel, is given up after this time. */
const killMs = 3_000

type Access = 'ro' | 'rw'

/** One line of what the guest's container.sh reads. */
interface Mount {
  kind: 'bind' | 'tmpfs'
  access: Access
  source: string
  target: string
}

function bind(source: string, target = source, access: Access = 'rw'): Mount {
  return { kind: 'bind', access, source, target }
}

function formatMount({ kind, access, source, target }: Mount): string {
  if (/[\t\n\\]/.test(source + target))
    throw new MountFailure(`the sandbox mounts no path with tabs, newlines or backslashes: ${source} at ${target}`)
  return `${kind}\t${access}\t${source}\t${target}\n`
}

/** The file systems that every container has, as a runtime mounts them; but `/proc` shows all processes of the node. */
function listSystemMounts({ securityContext }: Container): Mount[] {
  if (securityContext?.privileged === true) return [bind('/proc'), bind('/sys'), bind('/dev')]
  const devices = ['null', 'zero', 'full', 'random', 'urandom'].map((name) => bind(`/dev/${name}`))
  const dev: Mount = { kind: 'tmpfs', access: 'rw', source: '-', target: '/dev' }
  return [bind('/proc'), bind('/proc/sys', '/proc/sys', 'ro'), bind('/sys', '/sys', 'ro'), dev, ...devices]
}

/** The volumes of a container, the outer ones first, so that mounts can nest. */
function listVolumeMounts({ volumeMounts = [] }: Container, volumes: ReadonlyMap<string, string>): Mount[] {
  const sorted = volumeMounts.toSorted((a, b) => a.mountPath.length - b.mountPath.length)
  return sorted.map(({ name, mountPath, subPath = '', readOnly }) => {
    const volume = volumes.get(name)
    if (volume === undefined) throw new MountFailure(`volume "${name}" of the mount at ${mountPath} is not of this pod`)
    return bind(join(volume, subPath), join('/', mountPath), readOnly === true ? 'ro' : 'rw')
  })
}

/** Copies a folder of this computer into a machine, with modes, owners and links. */
async function copyFolder(machine: Machine, from: string, to: string): Promise<void> {
  const archive = await runTool('tar', ['-C', from, '-c', '.'])
  await machine.makeFolder(to)
  await machine.runChecked(['tar', '-C', to, '-x', '-f', '-'], { stdin: archive })
}

/** Makes a folder that every user can write to, as the kubelet makes an emptyDir. */
async function makeOpenFolder(machine: Machine, path: string): Promise<void> {
  await machine.makeFolder(path)
  await machine.runChecked(['chmod', '777', path])
}

/** Brings a pod's volumes onto its node, and answers where each is there. */
async function bringVolumes(machine: Machine, { pod, volumes }: WorkerStart, folder: string) {
  const there = new Map<string, string>()
  const bring = async ({ name, ...volume }: { name: string; hostPath?: unknown; emptyDir?: unknown }) => {
    const path = volumes.get(name) ?? ''
    const onNode = volume.hostPath ? path : `${folder}/volumes/${name}`
    there.set(name, onNode)
    if (volume.emptyDir) await makeOpenFolder(machine, onNode)
    else if (!volume.hostPath) await copyFolder(machine, path, onNode)
  }
  await Promise.all((pod.spec?.volumes ?? []).map(bring))
  return there
}

async function readMessage(machine: Machine, path: string): Promise<string> {
  const { stdout } = await machine.run(['head', '-c', String(terminationMessageBytes), path])
  return stdout.toString()
}

/** How a container ended; one whose machine went away under it was killed. */
async function watchEnd(machine: Machine, running: GuestProcess, message: string): Promise<ProcessEnd> {
  try {
    const { exitCode, signal } = await running.answer
    const number = signal === undefined ? undefined : (signalNumbers[signal] ?? 1)
    const status = number === undefined ? { exitCode } : { exitCode: 128 + number, signal: number }
    return { ...status, message: await readMessage(machine, message) }
  } catch (error) {
    if (!machine.isOn) return killed
    return { exitCode: 128, message: error instanceof Error ? error.message : String(error) }
  }
}

const killed: ProcessEnd = { exitCode: 137, signal: 9, message: '' }

/** Starts the worker that ships in a container on a node with a real kernel. */
export async function startInMachine(machine: Machine, start: WorkerStart): Promise<RunningContainer> {
  const { container, pod } = start
  const folder = `${podsFolder}/${pod.metadata?.uid ?? ''}`
  const message = `${folder}/termination-log`
  const volumes = await bringVolumes(machine, start, folder)
  await machine.writeFile(message, '', 0o666)
  const mounts = [
    ...listSystemMounts(container),
    bind(workerOnNode, workerInImage, 'ro'),
    bind(message, container.terminationMessagePath ?? '/dev/termination-log'),
    ...listVolumeMounts(container, volumes),
  ]
  await machine.writeFile(`${folder}/mounts`, mounts.map(formatMount).join(''))
  const access: Access = container.securityContext?.readOnlyRootFilesystem === true ? 'ro' : 'rw'
  const enter = ['unshare', '-m', 'sh', '/run/kmm/container.sh', access, folder, ...limitPrivileges(container)]
  const args = expandVariables(container.args ?? [], start.environment)
  const running = machine.start([...enter, '/usr/bin/node', workerInImage, ...args], {
    env: { PATH: imagePath, ...start.environment },
  })
  running.end()
  const kept = keepLog(start.logFile, [running.output, running.errorOutput]).catch(() => undefined)
  const givenUp = new AbortController()
  const ended = Promise.race([
    watchEnd(machine, running, message),
    new Promise<ProcessEnd>((resolve) => givenUp.signal.addEventListener('abort', () => resolve(killed))),
  ])
  return {
    ended: ended.then(async (end) => {
      if (!givenUp.signal.aborted) await kept
      return end
    }),
    kill: (signal) => {
      running.signal(signal)
      if (signal === 'SIGKILL') void sleep(killMs, undefined, { ref: false }).then(() => givenUp.abort())
    },
  }
}
