import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { describeError, KmmError } from '../../errors/error.ts'
import type { Certificate } from '../../kube/certificate.ts'
import { type Clock, sleep } from '../../kube/clock.ts'
import type { WebhookLogger } from '../webhook-logger.ts'

/** How the certificate is kept up to date. */
export interface KeepCertificateOptions {
  /** Reads the present certificate, and does what else there is to do for it. */
  load: (signal: AbortSignal) => Promise<Certificate>
  /** How long after a success it is read again. */
  everyMs: number
  clock: Clock
  logger: WebhookLogger
}

/** The certificate that is to be served, kept up to date from `start` to `stop`. */
export interface CertificateKeeper {
  /** Resolves with the first certificate; undefined when it was stopped before there was one. */
  start(onChange: (certificate: Certificate) => void): Promise<Certificate | undefined>
  /** What is wrong with the certificate that is served; undefined when nothing is. */
  findFault(): string | undefined
  stop(): Promise<void>
}

/** How long after a failure it is tried again. */
const retryMs = 5_000

/** Throws ConfigurationInvalid unless key and certificate belong together: half of a change may be there already. */
function checkPair({ certificate, key }: Certificate): void {
  try {
    createSecureContext({ cert: certificate, key })
  } catch (cause) {
    throw new KmmError('the certificate cannot be served: tls.crt and tls.key must be PEM and belong together', {
      code: 'ConfigurationInvalid',
      cause,
    })
  }
}

/** Makes a keeper; a certificate that cannot be read or served leaves the one before in place, and is logged. */
export function createCertificateKeeper({ load, everyMs, clock, logger }: KeepCertificateOptions): CertificateKeeper {
  const stopping = new AbortController()
  const { signal } = stopping
  let current: Certificate | undefined
  let running: Promise<void> = Promise.resolve()
  const pass = async (onChange: (certificate: Certificate) => void): Promise<number> => {
    try {
      const next = await load(signal)
      if (next.certificate === current?.certificate && next.key === current.key) return everyMs
      checkPair(next)
      current = next
      logger.info({ validTo: new X509Certificate(next.certificate).validTo }, 'serving a new certificate')
      onChange(next)
      return everyMs
    } catch (error) {
      if (!signal.aborted)
        logger.warn({ error: describeError(error) }, 'the certificate could not be brought up to date')
      return retryMs
    }
  }
  return {
    start: (onChange) =>
      new Promise((resolve) => {
        const loop = async (): Promise<void> => {
          while (!signal.aborted) {
            const delayMs = await pass(onChange)
            if (current !== undefined) resolve(current)
            await sleep(clock, delayMs, signal)
          }
          resolve(undefined)
        }
        running = loop()
      }),
    findFault: () => {
      if (current === undefined) return 'there is no certificate yet'
      const { validTo } = new X509Certificate(current.certificate)
      return new Date(validTo).getTime() > clock.now() ? undefined : `the certificate expired on ${validTo}`
    },
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}
