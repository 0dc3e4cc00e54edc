import { describeTally, tallyFile } from './tally.ts'

/** Gives the suite a file in which it counts what was real; says at the end what that was. */
export const setup = (): Promise<() => Promise<void>> => tallyFile.begin(describeTally)
