import { readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { KmmError } from '../errors/error.ts'
import type { ConnectionSettings } from './connection.ts'
import { nodes } from './core-resources.ts'
import { createKubeClient } from './http-client.ts'

const read = (name: string): string => readFileSync(new URL(`testdata/${name}`, import.meta.url), 'utf8')
const authority = read('ca.crt')
const cleanUps: (() => unknown)[] = []
let server: Server
let port = 0

beforeEach(async () => {
  server = createServer(
    { cert: read('server.crt'), key: read('server.key'), ca: authority, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const socket = request.socket as TLSSocket
      const name = socket.authorized ? socket.getPeerCertificate().subject.CN : 'nobody'
      response.end(JSON.stringify({ metadata: { name } }))
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
  cleanUps.push(() => new Promise((resolve) => server.close(resolve)))
})

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function whoAmI(connection: Partial<ConnectionSettings>): Promise<string | undefined> {
  const client = createKubeClient({
    userAgent: 'x',
    connection: { server: `https://127.0.0.1:${port}`, insecureSkipTlsVerify: false, ...connection },
  })
  cleanUps.push(() => client.close())
  return (await client.get(nodes, { name: 'n' })).metadata?.name
}

it('accepts a server whose certificate the authority signed for the given server name', async () => {
  expect(await whoAmI({ certificateAuthority: authority, tlsServerName: 'kmm.test' })).toBe('nobody')
})

it('refuses a certificate for another name, and says what to check', async () => {
  const error = await whoAmI({ certificateAuthority: authority }).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(KmmError)
  expect(error).toMatchObject({ code: 'Unreachable', message: expect.stringMatching(/check certificate-authority/) })
})

it('refuses a certificate of an unknown authority unless told to skip the check', async () => {
  await expect(whoAmI({ tlsServerName: 'kmm.test' })).rejects.toThrow(/certificate was not accepted/)
  expect(await whoAmI({ insecureSkipTlsVerify: true })).toBe('nobody')
})

it('presents its client certificate', async () => {
  const clientCertificate = { certificate: read('client.crt'), key: read('client.key') }
  expect(await whoAmI({ certificateAuthority: authority, tlsServerName: 'kmm.test', clientCertificate })).toBe(
    'kmm-test-client',
  )
})

it('goes through a proxy and still checks the server itself', async () => {
  const targets: string[] = []
  const proxy = createHttpServer()
  proxy.on('connect', (request, socket) => {
    targets.push(request.url ?? '')
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    onward.on('error', () => socket.destroy())
    socket.on('error', () => onward.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  cleanUps.push(() => new Promise((resolve) => proxy.close(resolve)))
  const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  expect(await whoAmI({ certificateAuthority: authority, tlsServerName: 'kmm.test', proxyUrl })).toBe('nobody')
  expect(targets).toEqual([`127.0.0.1:${port}`])
  await expect(whoAmI({ certificateAuthority: authority, proxyUrl })).rejects.toMatchObject({ code: 'Unreachable' })
})
