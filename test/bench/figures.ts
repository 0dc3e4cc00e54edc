/** One scenario's figures, as `--json` prints them; null where an engine cannot give one, or where it means nothing. */
export interface Figures {
  name: string
  nodes: number
  modules: number
  /** Seconds until half of the nodes were ready, nine tenths, and all. */
  seconds50: number | null
  seconds90: number | null
  seconds100: number | null
  /** How long the same useful writes take one client that issues them blindly, 48 at a time. */
  ceilingSeconds: number | null
  /** The operator's writes without its Lease. */
  writesPerNode: number | null
  /** Of the operator. */
  cpuSeconds: number | null
  peakMb: number | null
}

const columns: readonly (readonly [string, (figures: Figures) => string | number | null])[] = [
  ['scenario', ({ name }) => name],
  ['nodes', ({ nodes }) => nodes],
  ['modules', ({ modules }) => modules],
  ['s to 50 %', ({ seconds50 }) => seconds50],
  ['to 90 %', ({ seconds90 }) => seconds90],
  ['to 100 %', ({ seconds100 }) => seconds100],
  ['ceiling s', ({ ceilingSeconds }) => ceilingSeconds],
  ['writes/node', ({ writesPerNode }) => writesPerNode],
  ['CPU s', ({ cpuSeconds }) => cpuSeconds],
  ['peak MB', ({ peakMb }) => peakMb],
]

/** Lays figures out for a terminal. */
export function formatTable(figures: readonly Figures[]): string {
  const rows = [
    columns.map(([title]) => title),
    ...figures.map((each) => columns.map(([, read]) => String(read(each) ?? '-'))),
  ]
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n')
}

/** Rounds seconds for print. */
export const seconds = (ms: number): number => Number((ms / 1_000).toFixed(2))
