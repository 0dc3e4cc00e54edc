import { type DestinationStream, pino } from 'pino'

/** The log of a program: one JSON object a line, with the fields first and a sentence after. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Makes a logger; `destination` is standard output unless given. Fields that could hold credentials are cut out. */
export function createLogger(
  level: 'debug' | 'info' | 'warn' | 'error' | 'silent',
  destination?: DestinationStream,
): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: ['token', 'password', 'authorization', '*.token', '*.password', '*.authorization'],
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}
