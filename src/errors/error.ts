/** What the runtime does with an error: try again with backoff, wait for something to change, or give up until it does. */
export type Fate = 'retry' | 'wait' | 'terminal'

/** The closed set of error codes. Branch on these, never on a message. */
export type ErrorCode =
  // Kubernetes API
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Forbidden'
  | 'Unauthorized'
  | 'Invalid'
  | 'Expired'
  | 'TooManyRequests'
  | 'ServerError'
  | 'Unreachable'
  | 'TimedOut'
  | 'Aborted'
  // Registries and images
  | 'ReferenceInvalid'
  | 'ImageNotFound'
  | 'RegistryUnauthorized'
  | 'RegistryUnreachable'
  | 'ImageInvalid'
  | 'LimitExceeded'
  | 'OutOfSpace'
  // Configuration and input
  | 'ConfigurationInvalid'
  | 'MappingInvalid'
  // Kernel modules
  | 'ModuleFileInvalid'
  | 'SigningKeyInvalid'
  | 'FilesToSignInvalid'
  | 'ModprobeFailed'
  | 'Internal'

/** What a KmmError carries besides its message. */
export interface KmmErrorOptions {
  code: ErrorCode
  /** Defaults to `retry`. */
  fate?: Fate
  cause?: unknown
  /** For `TooManyRequests`: how long the server asks to wait, in milliseconds. */
  retryAfterMs?: number
}

/** The one error class of KMM. Its message says what happened, why, and what to do next. */
export class KmmError extends Error {
  readonly code: ErrorCode
  readonly fate: Fate
  readonly retryAfterMs: number | undefined

  constructor(message: string, options: KmmErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'KmmError'
    this.code = options.code
    this.fate = options.fate ?? 'retry'
    this.retryAfterMs = options.retryAfterMs
  }
}

/** True when `error` is a KmmError with one of the codes. */
export function hasCode(error: unknown, ...codes: ErrorCode[]): error is KmmError {
  return error instanceof KmmError && codes.includes(error.code)
}

/** The message of anything that was thrown, with the messages of its causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `: ${describeError(error.cause)}`
  return `${error.message.trim()}${cause}`
}

/** Marks a branch that the types prove unreachable. */
export function assertNever(value: never): never {
  throw new KmmError(`unexpected value ${JSON.stringify(value)}: this is a defect of KMM, please report it`, {
    code: 'Internal',
    fate: 'terminal',
  })
}
