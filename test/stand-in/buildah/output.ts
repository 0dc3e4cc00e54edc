/** Prints a line as a step or a report of progress does. */
export const print = (line: string): void => void process.stdout.write(`${line}\n`)

/** Prints a line of trouble. */
export const complain = (line: string): void => void process.stderr.write(`${line}\n`)
