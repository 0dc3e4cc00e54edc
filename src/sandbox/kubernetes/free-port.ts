import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Ports that operating systems give to nobody who does not ask for them, below those that Kubernetes gives to Services. */
const lowest = 20_000
const highest = 29_999

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const free = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false)
      else reject(error)
    })
    server.listen(port, '127.0.0.1', () => resolve(true))
  })
  if (free) await new Promise((resolve) => server.close(resolve))
  return free
}

/**
 * A port of this computer's loopback that nobody listens on at the moment. Whoever takes it has time: it is none of those that
 * every connection and every other program gets one of.
 */
export async function findFreePort(draw: () => number = () => randomInt(lowest, highest + 1)): Promise<number> {
  for (;;) {
    const port = draw()
    if (await isFree(port)) return port
  }
}
