import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts'
import { type ApiAnswer, ApiClient } from './api/client.ts'
import type { ApiTarget } from './api/target.ts'

/** A request that passes by. */
export interface PassingRequest {
  method: string
  path: string
}

/** Changes an answer on its way to the client; gives it back as it is where it is to stay right. */
export type Spoil = (answer: ApiAnswer, request: PassingRequest) => ApiAnswer

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function pass(request: IncomingMessage, client: ApiClient): Promise<ApiAnswer> {
  const body = await readBody(request)
  const { 'content-type': type = 'application/json', accept = 'application/json' } = request.headers
  return client.send(request.method ?? 'GET', request.url ?? '/', { accept, ...(body === '' ? {} : { body, type }) })
}

function write(response: ServerResponse, { status, type = 'application/json', warnings = [], body }: ApiAnswer): void {
  if (warnings.length > 0)
    response.setHeader(
      'Warning',
      warnings.map((text) => `299 - ${JSON.stringify(text)}`),
    )
  response.writeHead(status, { 'content-type': type })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

/**
 * Stands between clients and the API server of a target, and spoils answers: a way to see that a suite notices. Watches do not
 * pass. Stopping it stops the target too.
 */
export async function startSpoiler(target: ApiTarget, spoil: Spoil): Promise<ApiTarget> {
  const client = new ApiClient(loadKubeconfig({ text: target.kubeconfig }))
  const server = createServer((request, response) => {
    const passing = { method: request.method ?? 'GET', path: request.url ?? '/' }
    pass(request, client).then(
      (answer) => write(response, spoil(answer, passing)),
      () => response.destroy(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stop = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await client.close()
    await target.stop()
  }
  const cluster = { name: 'spoiled', cluster: { server: `http://127.0.0.1:${port}` } }
  const context = { name: 'spoiled', context: { cluster: 'spoiled' } }
  const file = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'spoiled',
    clusters: [cluster],
    contexts: [context],
  }
  return { ...target, kubeconfig: JSON.stringify(file), stop }
}
