import type { Dispatcher } from 'undici'
import type { ConnectionSettings } from './connection.ts'
import { createDispatcher } from './dispatcher.ts'
import type { Credentials } from './exec-credential.ts'

type ClientCertificate = Credentials['clientCertificate']

/** The connections to one API server, which hold their client certificate for as long as they last. */
export interface DispatcherPool {
  /** Connections with this certificate. Those with another one get no new requests, and go when they are idle. */
  use(certificate: ClientCertificate): Dispatcher
  close(): Promise<void>
}

const isSame = (left: ClientCertificate, right: ClientCertificate): boolean =>
  left?.certificate === right?.certificate && left?.key === right?.key

/** Opens nothing until the first request. */
export function createDispatcherPool(
  connection: ConnectionSettings,
  mostConnections: number | undefined,
): DispatcherPool {
  const { clientCertificate: _own, ...base } = connection
  const retired = new Set<Dispatcher>()
  let current: { dispatcher: Dispatcher; certificate: ClientCertificate } | undefined
  const retire = (dispatcher: Dispatcher): void => {
    retired.add(dispatcher)
    void dispatcher
      .close()
      .catch(() => undefined)
      .finally(() => retired.delete(dispatcher))
  }
  return {
    use: (certificate) => {
      if (current !== undefined && isSame(current.certificate, certificate)) return current.dispatcher
      if (current !== undefined) retire(current.dispatcher)
      const settings = certificate === undefined ? base : { ...base, clientCertificate: certificate }
      current = { dispatcher: createDispatcher(settings, mostConnections), certificate }
      return current.dispatcher
    },
    close: async () => {
      const all = current === undefined ? [...retired] : [...retired, current.dispatcher]
      await Promise.all(all.map((dispatcher) => dispatcher.destroy()))
    },
  }
}
