/** `modprobe` of virtual nodes: the arguments of the real one; KMM_NODE_ROOT and KMM_KERNEL_RELEASE say where it runs. */
import { runModprobe } from '../sandbox/modprobe/run.ts'

const { KMM_NODE_ROOT: root, KMM_KERNEL_RELEASE: kernelRelease } = process.env
if (root === undefined || kernelRelease === undefined) {
  process.stderr.write("modprobe: ERROR: the sandbox's modprobe needs KMM_NODE_ROOT and KMM_KERNEL_RELEASE\n")
  process.exitCode = 1
} else {
  process.exitCode = await runModprobe(process.argv.slice(2), {
    root,
    kernelRelease,
    output: {
      print: (line) => process.stdout.write(`${line}\n`),
      printError: (line) => process.stderr.write(`${line}\n`),
    },
  })
}
