import http, { type IncomingMessage } from 'node:http'
import net, { type AddressInfo, type Socket } from 'node:net'

/** A proxy on loopback that notes what it is asked for. */
export interface TestProxy {
  url: string
  /** `CONNECT host:port` or `GET http://…`, and the Proxy-Authorization header where there is one. */
  seen: string[]
  stop(): Promise<void>
}

/** Starts a proxy that connects everything to the port on loopback that `portFor` gives; 0 refuses. */
export async function startProxy(portFor: (target: string) => number): Promise<TestProxy> {
  const seen: string[] = []
  const sockets = new Set<Socket>()
  const note = (request: IncomingMessage): void => {
    seen.push([`${request.method} ${request.url}`, request.headers['proxy-authorization'] ?? []].flat().join(' '))
  }
  const server = http.createServer((request, response) => {
    note(request)
    const { method, url = '', headers } = request
    const target = new URL(url)
    const onward = http.request(
      { host: '127.0.0.1', port: portFor(target.host), method, path: `${target.pathname}${target.search}`, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
    )
    onward.on('error', () => response.writeHead(502).end())
    request.pipe(onward)
  })
  server.on('connect', (request: IncomingMessage, client: Socket) => {
    note(request)
    const port = portFor(request.url ?? '')
    if (port === 0) return client.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    const onward = net.connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      client.pipe(onward).pipe(client)
    })
    for (const [socket, other] of [
      [client, onward],
      [onward, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
    }
    return onward
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
