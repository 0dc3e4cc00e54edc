/**
 * A signal that is aborted with one of `signals`, or after a time. `AbortSignal.any` with an `AbortSignal.timeout` is not: nothing
 * holds the latter, and when it is collected nobody is told of the time (https://github.com/nodejs/node/issues/57736).
 */
export function withDeadline(delayMs: number, ...signals: readonly AbortSignal[]): AbortSignal {
  const deadline = new AbortController()
  const late = (): void => deadline.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'))
  setTimeout(late, delayMs).unref()
  return AbortSignal.any([...signals, deadline.signal])
}
