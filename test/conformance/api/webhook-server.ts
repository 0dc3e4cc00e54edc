import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { makeLoopbackCertificate } from '../../../src/kube/certificate.ts'
import type { Body } from './client.ts'

/** An HTTPS server of a case, which API servers call. */
export interface WebhookServer {
  /** Base64 of the certificate that callers have to trust. */
  caBundle: string
  url: string
  /** What was posted, in order. */
  reviews: Body[]
  stop(): Promise<void>
}

/** What is answered to a review: a body, or a status, or nothing until the caller gives up. */
export type WebhookReply = { body: unknown } | { status: number } | 'silence'

/** Starts a server that answers each posted review. */
export async function startWebhookServer(answer: (review: Body, path: string) => WebhookReply): Promise<WebhookServer> {
  const { key, certificate } = makeLoopbackCertificate(Date.now())
  const reviews: Body[] = []
  const server = createServer({ key, cert: certificate }, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const review = JSON.parse(Buffer.concat(chunks).toString()) as Body
      reviews.push(review)
      const reply = answer(review, request.url ?? '')
      if (reply === 'silence') return
      const isBody = 'body' in reply
      response.writeHead(isBody ? 200 : reply.status, { 'content-type': 'application/json' })
      response.end(isBody ? JSON.stringify(reply.body) : 'refused')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections()
      server.close(() => resolve())
    })
  return { caBundle: Buffer.from(certificate).toString('base64'), url: `https://127.0.0.1:${port}`, reviews, stop }
}
