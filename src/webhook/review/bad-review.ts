import { KmmError } from '../../errors/error.ts'

/** The error of a request that no API server sends; it is answered with 400. */
export function badReview(what: string): KmmError {
  return new KmmError(`this is no review that can be answered: ${what}`, { code: 'Invalid', fate: 'terminal' })
}
