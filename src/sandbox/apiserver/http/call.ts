import type { IncomingMessage } from 'node:http'
import type { User } from '../hooks.ts'
import type { Answer } from './answer.ts'
import type { Target, Verb } from './target.ts'

/** A request with what has been found out about it. */
export interface Call {
  request: IncomingMessage
  path: string
  query: URLSearchParams
  user: User
  userAgent: string
  body: Buffer
  warn(message: string): void
}

/** A call for a resource. */
export interface ResourceCall extends Call {
  target: Target
  verb: Verb
}

/** An answer, and what the log of writes keeps of it. */
export interface Served {
  answer: Answer
  name?: string
  dryRun?: boolean
}
