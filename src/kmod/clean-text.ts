// oxlint-disable-next-line no-control-regex -- they are what has to go
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]+/g

/** Text from a module or a program, fit for one line of a message: without control characters, cut to `longest` characters. */
export function cleanText(text: string, longest: number): string {
  // Cut before the replacement as well, so that an endless text costs little.
  const line = text
    .slice(0, longest * 2)
    .replace(unprintable, ' ')
    .trim()
  return line.length > longest || text.length > longest * 2 ? `${line.slice(0, longest)}…` : line
}
