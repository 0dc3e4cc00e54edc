import type { Event as CoreEvent } from 'kubernetes-types/core/v1.js'
import { describeError, hasCode } from '../errors/error.ts'
import type { KubeClient } from './client.ts'
import { events } from './core-resources.ts'

/** What an Event is about. `namespace` is absent for cluster-scoped objects. */
export interface Regarding {
  apiVersion: string
  kind: string
  name: string
  namespace?: string
  uid?: string
}

/** An Event to record. */
export interface EventInput {
  /** Names one happening: recording it twice leaves one Event. A DNS subdomain. */
  name: string
  regarding: Regarding
  type: 'Normal' | 'Warning'
  /** CamelCase. */
  reason: string
  /** Cut to 1,024 bytes, the API server's limit. */
  message: string
  annotations?: Record<string, string>
  /** Defaults to the namespace of `regarding`, and to `default` for cluster-scoped objects. */
  namespace?: string
  /** When it happened, epoch; defaults to now. */
  atMs?: number
}

const component = 'kmm'
const messageLimitBytes = 1_024

function cutToBytes(text: string, limit: number): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= limit) return text
  // A character that the cut splits decodes to U+FFFD at the end.
  return `${bytes
    .subarray(0, limit - 3)
    .toString()
    .replace(/�+$/u, '')}…`
}

function buildEvent({ name, regarding, type, reason, message, ...rest }: EventInput): CoreEvent {
  const time = new Date(rest.atMs ?? Date.now()).toISOString().replace(/\.\d+Z$/, 'Z')
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: {
      name,
      namespace: rest.namespace ?? regarding.namespace ?? 'default',
      ...(rest.annotations ? { annotations: rest.annotations } : {}),
    },
    involvedObject: regarding,
    type,
    reason,
    message: cutToBytes(message, messageLimitBytes),
    source: { component },
    reportingComponent: component,
    reportingInstance: '',
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  }
}

/** Records an Event; one of that name that exists already counts as success, because names are deterministic. */
export async function recordEvent(client: KubeClient, event: EventInput, signal?: AbortSignal): Promise<void> {
  try {
    await client.create(events, buildEvent(event), signal ? { signal } : {})
  } catch (error) {
    if (!hasCode(error, 'AlreadyExists')) throw error
  }
}

/** What telling of something needs. */
export interface TellTools {
  client: KubeClient
  /** Writes a line into the log. */
  warn: (message: string) => void
}

/** Records an Event; where events are refused (by a quota, a policy, a role) only the log is told: nothing else waits for it. */
export async function tell(event: EventInput, { client, warn }: TellTools, signal: AbortSignal): Promise<void> {
  try {
    await recordEvent(client, event, signal)
  } catch (error) {
    if (!hasCode(error, 'Forbidden', 'Invalid')) throw error
    const { kind, name } = event.regarding
    warn(`event ${event.reason} of ${kind} ${name} was refused: ${event.message} (${describeError(error)})`)
  }
}
