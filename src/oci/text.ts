/** Makes text from outside fit for a message: one line, no control characters, at most `limit` characters. */
export function quoteUntrusted(text: string, limit = 200): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this removes
  const plain = text.slice(0, limit + 1).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]+/g, ' ')
  return plain.length > limit ? `${plain.slice(0, limit)}…` : plain
}

/** Narrows parsed JSON or YAML to an object with string keys. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
