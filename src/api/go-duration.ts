const unitsMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/**
 * The milliseconds of a duration as Go writes it, such as `1h30m`, `1.5s`, `500ms` or `0`: numbers with units, one after the
 * other, with one sign before them. Undefined for what is none (Go: `time.ParseDuration`).
 */
export function parseGoDuration(text: string): number | undefined {
  const [, sign, body = ''] = /^([+-]?)(.*)$/s.exec(text) ?? []
  if (body === '0') return 0
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) return undefined
  const parts = [...body.matchAll(/([\d.]+)([^\d.]+)/g)]
  const total = parts.reduce((sum, [, number, unit = '']) => sum + Number(number) * (unitsMs[unit] ?? 0), 0)
  return sign === '-' ? -total : total
}
