import type { Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'

/**
 * Begins to take note of a server's connections; the answer ends the server and all of them. The server itself ends only those
 * that it has spoken HTTP on: one in the midst of its TLS handshake, or given to CONNECT, would keep it for minutes.
 */
export function stopperOf(server: HttpServer | HttpsServer): () => Promise<void> {
  const open = new Set<Duplex>()
  server.on('connection', (connection: Duplex) => {
    open.add(connection)
    connection.once('close', () => open.delete(connection))
  })
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
      for (const connection of open) connection.destroy()
    })
}
