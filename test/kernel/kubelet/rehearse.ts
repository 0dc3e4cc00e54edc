import { describeError } from '../../../src/errors/error.ts'
import type { PreparedMachine } from '../../../src/sandbox/qemu/machine-options.ts'
import { baseName } from './images.ts'
import { argumentsFile, buildRehearsalFiles, rehearsalLeavings, rehearsedFile } from './node-files.ts'

const rehearsalMs = 240_000

async function check(machine: PreparedMachine, argv: readonly string[], timeoutMs?: number): Promise<void> {
  const limit = timeoutMs === undefined ? {} : { timeoutMs }
  const { exitCode, stdout, stderr } = await machine.run(argv, limit)
  if (exitCode !== 0)
    throw new Error(`${argv.join(' ')} ended with status ${exitCode}: ${stdout.toString()}${stderr.toString()}`)
}

/** Waits in the machine until a shell's condition holds. */
async function waitUntil(machine: PreparedMachine, condition: string): Promise<void> {
  try {
    await check(machine, ['sh', '-c', `until ${condition}; do sleep 0.2; done`], rehearsalMs)
  } catch (cause) {
    const tail = machine.run(['sh', '-c', 'tail -n 20 /run/containerd.log /run/kubelet.log'])
    const words = await tail.then(({ stdout }) => stdout.toString()).catch(() => 'it does not answer')
    throw new Error(`the machine's first pod did not come to "${condition}": ${describeError(cause)}\n${words}`, {
      cause,
    })
  }
}

/** Runs one pod in a new machine and removes every trace but what is in memory by it. */
export async function rehearse(machine: PreparedMachine): Promise<void> {
  for (const [path, text] of Object.entries(buildRehearsalFiles(baseName))) await machine.writeFile(path, text)
  await waitUntil(machine, `[ -f ${rehearsedFile} ]`)
  await check(machine, ['rm', '-rf', `${rehearsalLeavings[1]}/rehearsal.yaml`])
  // Its address is given back last of all.
  await waitUntil(machine, '[ -z "$(ls /run/cni/kmm | grep ^10)" ]')
  await check(machine, ['rm', '-rf', argumentsFile])
  await machine.run(['killall', 'kubelet'])
  await waitUntil(machine, '[ -z "$(pidof kubelet)" ]')
  await check(machine, ['sh', '-c', `rm -rf ${rehearsalLeavings.join(' ')} /var/lib/kubelet/* /var/log/pods/*`])
}
