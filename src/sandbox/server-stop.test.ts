import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { startApiServer } from './apiserver/api-server.ts'

it('does not wait for a client in the midst of its TLS handshake', async () => {
  const server = await startApiServer()
  const client = connect(server.port, '127.0.0.1')
  client.on('error', () => undefined)
  await once(client, 'connect')
  const gone = once(client, 'close')
  // Until the server has taken the connection.
  await fetch(server.url).catch(() => undefined)
  await server.stop()
  await gone
  expect(client.destroyed).toBe(true)
})
