import { readFileSync } from 'node:fs'

/** What a process has used since it began; null where the system does not tell. */
export interface ProcessUsage {
  cpuSeconds: number | null
  peakMb: number | null
}

/** Linux counts processor time in hundredths of a second, whatever the kernel's own tick is. */
const ticksPerSecond = 100
const round = (value: number, digits: number): number => Number(value.toFixed(digits))

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}

function readCpuSeconds(pid: number): number | null {
  const stat = readProc(pid, 'stat')
  if (stat === undefined) return null
  // The second field is the program's name in parentheses and may hold anything; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Reads a running process's processor time and its greatest resident memory, from /proc. */
export function readProcessUsage(pid: number): ProcessUsage {
  const peak = /^VmHWM:\s+(\d+) kB/m.exec(readProc(pid, 'status') ?? '')?.[1]
  return { cpuSeconds: readCpuSeconds(pid), peakMb: peak === undefined ? null : round(Number(peak) / 1_024, 1) }
}

/** The processor time between two readings. */
export function cpuBetween(before: ProcessUsage, after: ProcessUsage): number | null {
  if (before.cpuSeconds === null || after.cpuSeconds === null) return null
  return round(after.cpuSeconds - before.cpuSeconds, 2)
}
