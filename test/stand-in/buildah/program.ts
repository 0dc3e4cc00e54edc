/**
 * Stands for buildah where it is not installed: it understands the command lines of KMM's build program and few kinds of steps,
 * pulls and pushes real images, and fails in buildah's words. Everything else ends with status 125 and a sentence.
 */
import { writeFile } from 'node:fs/promises'
import { describeError } from '../../../src/errors/error.ts'
import { buildImage } from './build.ts'
import { BuildahFailure, need, parseCommandLine, refuse } from './flags.ts'
import { complain, print } from './output.ts'
import { push } from './store.ts'

try {
  const { flags, command, operands } = parseCommandLine(process.argv.slice(2))
  const [image = '', target = ''] = operands
  if (command === 'build') await buildImage(flags)
  else if (command === 'push') await writeFile(need(flags, 'digestfile'), await push(flags, image, target))
  else if (command === 'info') print('{}')
  else refuse(`the command ${command}`)
} catch (error) {
  complain(`Error: ${describeError(error)}`)
  process.exitCode = error instanceof BuildahFailure ? error.status : 125
}
