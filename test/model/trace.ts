import type { VirtualTime } from './time.ts'

/** What happened in a run, the last of it. */
export interface Trace {
  say(text: string): void
  /** The last lines, oldest first. */
  last(count: number): string[]
}

/** Keeps the last `most` lines. */
export function createTrace(time: VirtualTime, most = 4_000): Trace {
  let lines: string[] = []
  return {
    say: (text) => {
      lines.push(`${time.stamp()}  ${text}`)
      if (lines.length > most * 2) lines = lines.slice(-most)
    },
    last: (count) => lines.slice(-count),
  }
}
