import { createServer } from 'node:net'

/** Ports that operating systems give to nobody who does not ask for them, below those that Kubernetes gives to Services. */
const lowest = 20_000
const count = 10_000
/** Processes that are started one after the other begin so far apart. */
const apart = 100

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

let next = process.pid * apart

/** One after the other: what was drawn may not be listened on yet, and is drawn again by nobody for a long time. */
function drawNext(): number {
  const port = lowest + (next % count)
  next += 1
  return port
}

/**
 * A port of this computer's loopback that nobody listens on at the moment. Whoever takes it has time: it is none of those that
 * every connection and every other program gets one of, and nobody else is given it soon.
 */
export async function findFreePort(draw: () => number = drawNext): Promise<number> {
  for (;;) {
    const port = draw()
    if (await isFree(port)) return port
  }
}
