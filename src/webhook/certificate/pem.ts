const pemPattern = /-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----\n?/g

/** The certificates or keys of a PEM text, each on its own. */
export function splitPem(text: string): string[] {
  return text.match(pemPattern) ?? []
}
