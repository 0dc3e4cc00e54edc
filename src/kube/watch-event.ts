import { KmmError } from '../errors/error.ts'
import { formatSubject, type RequestSubject, toWatchError } from './api-error.ts'
import type { WatchEvent } from './client.ts'
import type { KubeObject } from './object.ts'

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(subject: RequestSubject, line: string, cause?: unknown): KmmError {
  return new KmmError(`cannot ${formatSubject(subject)}: the API server sent a malformed event ${line.slice(0, 200)}`, {
    code: 'ServerError',
    cause,
  })
}

function parseLine(line: string, subject: RequestSubject): { type: unknown; object: Record<string, unknown> } {
  let event: unknown
  try {
    event = JSON.parse(line)
  } catch (error) {
    throw malformed(subject, line, error)
  }
  if (!isRecord(event) || !isRecord(event['object'])) throw malformed(subject, line)
  return { type: event['type'], object: event['object'] }
}

/** Parses one line of a watch. A malformed line and an ERROR event are thrown: an event must never be lost unnoticed. */
export function parseWatchEvent<T extends KubeObject>(line: string, subject: RequestSubject): WatchEvent<T> {
  const { type, object } = parseLine(line, subject)
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type, object: object as T }
    case 'BOOKMARK': {
      const resourceVersion = (object as KubeObject).metadata?.resourceVersion
      if (typeof resourceVersion !== 'string') throw malformed(subject, line)
      return { type, resourceVersion }
    }
    case 'ERROR':
      throw toWatchError(subject, object)
    default:
      throw malformed(subject, line)
  }
}
