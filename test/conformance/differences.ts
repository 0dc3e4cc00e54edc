import type { AcceptedDifference } from './compare.ts'

/** Where the embedded API server is known to differ from the real one. A row that differs no more fails the suite. */
export const acceptedDifferences: readonly AcceptedDifference[] = []
