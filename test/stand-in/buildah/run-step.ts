import { existsSync, lstatSync, readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Step, substitute } from './dockerfile.ts'
import { BuildahFailure, refuse } from './flags.ts'
import { complain, print } from './output.ts'

/** What a step sees: the files of its stage, and folders of this computer in their places. */
export interface StepPlace {
  rootfs: string
  /** `SOURCE:TARGET:ro`. */
  volumes: readonly string[]
}

function locate({ rootfs, volumes }: StepPlace, path: string): string {
  const plain = posix.normalize(path)
  for (const volume of volumes) {
    const [source = '', target = ''] = volume.split(':')
    if (plain === target || plain.startsWith(`${target}/`)) return join(source, plain.slice(target.length))
  }
  return join(rootfs, plain)
}

/** Acts one command out; answers its exit status. */
async function act(place: StepPlace, [program = '', ...args]: readonly string[]): Promise<number> {
  const [first = '', second = ''] = args
  const file = locate(place, second)
  switch (args.length === 0 || /^(?:sleep|echo)$/.test(program) ? program : `${program} ${first}`) {
    case 'true':
      return 0
    case 'false':
      return 1
    case 'sleep':
      await sleep(Number(first) * 1_000)
      return 0
    case 'echo':
      print(args.join(' '))
      return 0
    case 'test -f':
      return existsSync(file) && statSync(file).isFile() ? 0 : 1
    case 'test -d':
      return existsSync(file) && statSync(file).isDirectory() ? 0 : 1
    case 'grep -q':
      return grep(place, second, args[2] ?? '')
    default:
      return refuse(`the step RUN ${[program, ...args].join(' ')}`)
  }
}

function grep(place: StepPlace, word: string, path: string): number {
  const file = locate(place, path)
  if (existsSync(file)) return readFileSync(file, 'utf8').includes(word) ? 0 : 1
  complain(`grep: ${path}: No such file or directory`)
  return 2
}

function hasShell(rootfs: string): boolean {
  return lstatSync(join(rootfs, 'bin/sh'), { throwIfNoEntry: false }) !== undefined
}

/** Acts a RUN step out: commands joined by `&&`. Throws BuildahFailure in buildah's words when it fails. */
export async function runStep(place: StepPlace, { rest, values }: Step): Promise<void> {
  const fail = (status: number): never => {
    complain(`subprocess exited with status ${status}`)
    throw new BuildahFailure(`building at STEP "RUN ${rest}": exit status ${status}`, status)
  }
  if (!hasShell(place.rootfs)) {
    complain('process failed to start with error: fork/exec /bin/sh: no such file or directory')
    fail(1)
  }
  for (const command of substitute(rest, values).split('&&')) {
    const words = command
      .trim()
      .split(/\s+/)
      .map((word) => word.replace(/^(["'])(.*)\1$/, '$2'))
    const [program, word] = words
    if (program === 'exit') fail(Number(word))
    const status = await act(place, words)
    if (status !== 0) fail(status)
  }
}
