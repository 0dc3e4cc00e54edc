import { Command, InvalidArgumentError } from 'commander'
import type { Environment } from '../kube/kubeconfig.ts'
import { cacheFolder } from '../sandbox/cache-folder.ts'
import type { EngineName } from '../sandbox/engine.ts'
import { parseMachineKernel } from '../sandbox/node/qemu-backend.ts'
import { isKernelRelease } from '../sandbox/qemu/kernels.ts'
import type { NodeOptions } from '../sandbox/node/virtual-node.ts'
import {
  type CommonOptions,
  type EmbeddedSandbox,
  type KubernetesSandbox,
  type Sandbox,
  startSandbox,
} from '../sandbox/sandbox.ts'
import { createEngineOption, prepareEngine } from './engine.ts'

interface Flags {
  nodes?: number
  kernel: string[]
  nodeKernel: string[]
  engine: EngineName
  json?: boolean
}

/** What the command works with. */
export interface SandboxUpOptions {
  /** The folder of the package: `deploy/` and `dist/` are below it. */
  root: string
  /** How the user can start the program again. */
  program: string
  /** Where to look for a control plane, besides the user's home folder. */
  environment: Environment
  home: string
  write: (line: string) => void
  createStopSignal: () => AbortSignal
}

/** The kernels that the example modules are compiled for. */
const exampleKernels = ['6.1.0-56-amd64', '6.1.0-55-amd64']
const usualNodes = 3
const mostNodes = 1_000

function parseNodes(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= mostNodes) return count
  throw new InvalidArgumentError(`give a number from 1 to ${mostNodes}.`)
}

function parseKernel(text: string, before: string[]): string[] {
  if (!/^[A-Za-z0-9][A-Za-z0-9._+~-]*$/.test(text))
    throw new InvalidArgumentError('give a kernel release as uname -r prints it, such as 6.1.0-56-amd64.')
  return [...before, text]
}

function parseMachine(text: string, before: string[]): string[] {
  if (!isKernelRelease(parseMachineKernel(text) ?? ''))
    throw new InvalidArgumentError('give qemu: and the release of a Debian kernel, such as qemu:6.1.0-56-amd64.')
  return [...before, text]
}

/** Worker nodes by the names `node-1`, `node-2`, …, the kernels given out in turn. */
export function planNodes(count: number, kernels: readonly string[]): NodeOptions[] {
  const used = kernels.length > 0 ? kernels : exampleKernels
  return Array.from({ length: count }, (_, index) => ({
    name: `node-${index + 1}`,
    kernel: used[index % used.length] ?? '',
    labels: { 'node-role.kubernetes.io/worker': '' },
  }))
}

function describeNodes(sandbox: Sandbox): { name: string; kernel: string; real?: true }[] {
  return sandbox.nodes.map(({ name, backend, hasMachine }) => {
    return { name, kernel: backend.release, ...(hasMachine && { real: true as const }) }
  })
}

function tellJson(sandbox: Sandbox): string {
  const { engine, version, kubeconfigPath, url, registry, workerImage, builderImage } = sandbox
  return JSON.stringify({
    event: 'up',
    engine,
    kubernetes: version,
    kubeconfig: kubeconfigPath,
    api: url,
    registry: registry.address,
    workerImage,
    builderImage,
    nodes: describeNodes(sandbox),
  })
}

function tellPerson(sandbox: Sandbox, program: string): string[] {
  const { engine, version, kubeconfigPath, url, registry, workerImage, builderImage } = sandbox
  return [
    'The sandbox is up; Ctrl-C stops and removes it.',
    '',
    `  kubeconfig   ${kubeconfigPath}`,
    `  Kubernetes   ${version}${engine === 'embedded' ? '' : ', real'}`,
    `  API server   ${url}`,
    `  registry     ${registry.address} (plain HTTP)`,
    ...describeNodes(sandbox).map(
      ({ name, kernel, real }) => `  ${name.padEnd(12)} kernel ${kernel}${real ? ', real, in a machine' : ''}`,
    ),
    '',
    'In another terminal:',
    '',
    `  export KUBECONFIG=${kubeconfigPath}`,
    `  export RELATED_IMAGE_WORKER=${workerImage} RELATED_IMAGE_BUILD=${builderImage}`,
    `  OPERATOR_NAMESPACE=kmm-operator-system ${program} operator`,
    `  ${program} sandbox get nodes   # or kubectl get nodes`,
  ]
}

/** Waits to be interrupted; fails when the cluster does not live as long. */
async function stay(sandbox: EmbeddedSandbox | KubernetesSandbox, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const interrupted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  await Promise.race([interrupted, ...(sandbox.engine === 'kubernetes' ? [sandbox.controlPlane.failed] : [])])
}

interface MachineNeeds extends Pick<SandboxUpOptions, 'environment' | 'home'> {
  tell: (text: string) => void
  signal: AbortSignal
}

/** The nodes that the flags ask for, and what real kernels need. */
function chooseNodes({ nodes, kernel, nodeKernel }: Omit<Flags, 'engine'>, needs: MachineNeeds): CommonOptions {
  if (nodeKernel.length === 0) return { nodes: planNodes(nodes ?? usualNodes, kernel) }
  const { environment, home, tell: progress, signal } = needs
  const machines = { cache: cacheFolder(environment, home), path: environment['PATH'] ?? '', progress, signal }
  return { nodes: planNodes(nodes ?? nodeKernel.length, nodeKernel), machines }
}

/** `kmm sandbox up`: a cluster that stays until it is interrupted. */
export function createSandboxUpCommand(options: SandboxUpOptions): Command {
  const { root, program, write, createStopSignal } = options
  return new Command('up')
    .description('start a sandbox and stay until interrupted')
    .option('--nodes <number>', 'how many nodes (default: 3, or one a --node-kernel)', parseNodes)
    .option('--kernel <release>', 'virtual kernel of the nodes; given several times, in turn', parseKernel, [])
    .option(
      '--node-kernel <kernel>',
      'qemu:<release>: nodes with that stock Debian kernel in QEMU machines, in place of virtual ones; given several times, in turn',
      parseMachine,
      [],
    )
    .addOption(createEngineOption())
    .option('--json', 'print one JSON object a line')
    .action(async ({ engine, json = false, ...flags }: Flags) => {
      const signal = createStopSignal()
      const tell = (text: string): void => write(json ? JSON.stringify({ event: 'progress', text }) : text)
      const choice = await prepareEngine(engine, { ...options, tell, signal })
      const sandbox = await startSandbox({ root, ...chooseNodes(flags, { ...options, tell, signal }), ...choice })
      try {
        for (const line of json ? [tellJson(sandbox)] : tellPerson(sandbox, program)) write(line)
        await stay(sandbox, signal)
      } finally {
        await sandbox.stop()
      }
      write(json ? JSON.stringify({ event: 'down' }) : 'The sandbox is gone.')
    })
}
