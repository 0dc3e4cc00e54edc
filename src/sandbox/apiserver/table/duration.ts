/** One length of time in the words of kubectl, two units at most: `45s`, `3m20s`, `5h`, `2d4h`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000)
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10) return join(minutes, 'm', seconds % 60, 's')
  if (minutes < 180) return `${minutes}m`
  return formatHours(Math.floor(minutes / 60), minutes % 60)
}

function formatHours(hours: number, minutes: number): string {
  const days = Math.floor(hours / 24)
  if (hours < 8) return join(hours, 'h', minutes, 'm')
  if (hours < 48) return `${hours}h`
  if (days < 8) return join(days, 'd', hours % 24, 'h')
  if (days < 365 * 2) return `${days}d`
  const years = Math.floor(days / 365)
  return years < 8 ? join(years, 'y', days % 365, 'd') : `${years}y`
}

function join(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`
}

/** The age of an RFC 3339 time; `<unknown>` when there is none. */
export function formatAge(time: unknown, nowMs: number): string {
  if (typeof time !== 'string' || time === '') return '<unknown>'
  const epochMs = Date.parse(time)
  return Number.isNaN(epochMs) ? '<invalid>' : formatDuration(nowMs - epochMs)
}
