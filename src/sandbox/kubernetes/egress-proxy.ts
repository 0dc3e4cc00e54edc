import { createServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { CertificateAuthority } from '../../kube/certificate.ts'
import { stopperOf } from '../server-stop.ts'

/** Lets the API server reach kubelets. */
export interface EgressProxy {
  url: string
  stop(): Promise<void>
}

/** Lets `from` and `to` speak with each other until one of them ends. */
function join(from: Duplex, to: Socket): void {
  from.on('close', () => to.destroy())
  to.on('close', () => from.destroy())
  to.pipe(from)
  from.pipe(to)
}

/**
 * Starts the HTTP CONNECT proxy by which the API server reaches kubelets. Whatever address a node has, its kubelet's port is
 * on the loopback of this machine: virtual nodes listen there, and virtual machines forward the port.
 */
export async function startEgressProxy(authority: CertificateAuthority): Promise<EgressProxy> {
  const { key, certificate } = authority.issue({ commonName: 'egress', uses: ['server'], hosts: ['127.0.0.1'] })
  const tls = { key, cert: certificate, ca: authority.certificate, requestCert: true }
  const server = createServer(tls, (_, response) => response.writeHead(405).end())
  const stop = stopperOf(server)
  server.on('connect', (request, client: Duplex, head: Buffer) => {
    const port = Number(/:(\d+)$/.exec(request.url ?? '')?.[1] ?? 0)
    const kubelet = connect({ host: '127.0.0.1', port })
    // Who asked may go away before the kubelet has answered.
    client.on('error', () => kubelet.destroy())
    kubelet.once('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      kubelet.write(head)
      join(client, kubelet)
    })
    kubelet.once('error', (error) => {
      if (!client.writableEnded) client.end(`HTTP/1.1 502 Bad Gateway\r\n\r\n${error.message}`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `https://127.0.0.1:${port}`, stop }
}
