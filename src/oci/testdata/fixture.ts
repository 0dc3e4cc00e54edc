import { KmmError } from '../../errors/error.ts'
import { parseReference, type Reference } from '../reference.ts'
import { createRegistry, type Registry, type RegistryOptions } from '../registry.ts'
import {
  createContent,
  type Handler,
  type RegistryContent,
  serveRegistry,
  startServer,
  testCa,
  type TestServer,
} from './test-registry.ts'

/** A test registry with what it holds. */
export interface ServedRegistry {
  content: RegistryContent
  server: TestServer
  /** The reference of `repository:tag` in it. */
  reference: (name: string) => Reference
}

/** What a test starts; `stop` ends all of it. */
export interface Fixture {
  open: (options?: Partial<RegistryOptions>) => Registry
  serve: (scheme?: 'http' | 'https') => Promise<ServedRegistry>
  start: (handler: Handler, scheme?: 'http' | 'https') => Promise<TestServer>
  onStop: (stop: () => Promise<unknown>) => void
  stop: () => Promise<void>
}

/** Retries without waiting. */
export const calm = { clock: { now: () => Date.now(), sleep: () => Promise.resolve() } }

/** Makes an empty fixture. Its clients trust the test authority and verify certificates. */
export function createFixture(): Fixture {
  const stops: (() => Promise<unknown>)[] = []
  const onStop = (stop: () => Promise<unknown>): void => {
    stops.push(stop)
  }
  const start: Fixture['start'] = async (handler, scheme) => {
    const server = await startServer(handler, scheme)
    onStop(() => server.stop())
    return server
  }
  return {
    onStop,
    start,
    open: (options = {}) => {
      const tls = { insecure: false, insecureSkipTLSVerify: false }
      const registry = createRegistry({ settings: { caBundle: testCa() }, tls, retries: calm, ...options })
      onStop(() => registry.close())
      return registry
    },
    serve: async (scheme) => {
      const content = createContent()
      const server = await start(serveRegistry(content), scheme)
      return { content, server, reference: (name) => parseReference(`${server.host}/${name}`) }
    },
    stop: async () => {
      for (const stop of stops.splice(0).toReversed()) await stop()
    },
  }
}

/** The KmmError that work fails with. */
export async function failureOf(work: Promise<unknown>): Promise<KmmError> {
  const error = await work.then(
    () => new Error('it did not fail'),
    (caught: unknown) => caught,
  )
  if (error instanceof KmmError) return error
  throw error
}
