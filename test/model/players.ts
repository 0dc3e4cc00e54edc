import { type ChildProcess, fork } from 'node:child_process'
import type { RunResult } from './run.ts'

/** What is to be played, and by how many processes at once. */
export interface Play {
  program: string
  seeds: Iterable<number>
  processes: number
  /** With all that others do, and with all rules. */
  wild: boolean
  /** Told of each result; false ends the play. */
  onResult: (result: RunResult) => boolean
}

function play({ program, wild }: Play, seeds: Iterator<number>, onResult: Play['onResult']): Promise<void> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = fork(program, wild ? ['wild'] : [], { execArgv: ['--enable-source-maps'] })
    let playing: number | undefined
    const end = (): void => {
      playing = undefined
      child.disconnect()
    }
    const next = (): void => {
      const { value, done = false } = seeds.next()
      if (done) return end()
      playing = value as number
      child.send(playing)
    }
    child.on('message', (result: RunResult) => {
      if (onResult(result)) next()
      else end()
    })
    child.on('error', reject)
    child.on('exit', () => {
      if (playing === undefined) resolve()
      else reject(new Error(`the process that played seed ${playing} ended`))
    })
    next()
  })
}

/** Plays seeds in processes of their own, until all are played or a result ends it. */
export async function playSeeds(wanted: Play): Promise<void> {
  const { seeds, processes, onResult } = wanted
  const open = seeds[Symbol.iterator]()
  let ended = false
  const hear = (result: RunResult): boolean => {
    if (ended) return false
    ended = !onResult(result)
    return !ended
  }
  await Promise.all(Array.from({ length: processes }, () => play(wanted, open, hear)))
}
