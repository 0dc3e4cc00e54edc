import { type ErrorCode, KmmError } from '../errors/error.ts'
import type { ReportReason } from '../errors/reason.ts'

/** A failure whose reason in the report is known where it is thrown. */
export class WorkerError extends KmmError {
  readonly reason: ReportReason

  constructor(reason: ReportReason, message: string, cause?: unknown) {
    super(message, { code: 'ModprobeFailed', cause })
    this.name = 'WorkerError'
    this.reason = reason
  }
}

const reasons: Partial<Record<ErrorCode, ReportReason>> = {
  ImageNotFound: 'ImageNotFound',
  RegistryUnauthorized: 'RegistryUnauthorized',
  RegistryUnreachable: 'RegistryUnreachable',
  TimedOut: 'RegistryUnreachable',
  ImageInvalid: 'ImageInvalid',
  ReferenceInvalid: 'ImageInvalid',
  LimitExceeded: 'ImageInvalid',
  ModuleFileInvalid: 'ImageInvalid',
  OutOfSpace: 'OutOfSpace',
}

const systemReasons: Readonly<Record<string, ReportReason>> = {
  EACCES: 'PermissionDenied',
  EPERM: 'PermissionDenied',
  EROFS: 'PermissionDenied',
  ENOSPC: 'OutOfSpace',
  EDQUOT: 'OutOfSpace',
}

/** The reason for anything that was thrown; what nobody foresaw is `Unknown`. */
export function findReason(error: unknown): ReportReason {
  if (error instanceof WorkerError) return error.reason
  const known = error instanceof KmmError ? reasons[error.code] : undefined
  if (known !== undefined) return known
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 10; at = at.cause, depth += 1) {
    const reason = systemReasons[(at as NodeJS.ErrnoException).code ?? '']
    if (reason !== undefined) return reason
  }
  return 'Unknown'
}
