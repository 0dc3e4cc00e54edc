import { createTokenSource } from './bearer-token.ts'
import type { Clock } from './clock.ts'
import type { ConnectionSettings } from './connection.ts'
import { type Credentials, type ExecCredential, parseExecCredential } from './exec-credential.ts'
import type { ExecPlugin } from './exec-plugin.ts'
import { kubeconfigInvalid } from './kubeconfig-file.ts'
import type { RunPlugin } from './plugin-process.ts'

/** Where the credentials of a connection come from. */
export interface CredentialSource {
  get(): Promise<Credentials>
  /** Gets them anew, after the server refused `refused`; false when that can change nothing. */
  refresh(refused: Credentials): Promise<boolean>
  /** Ends a plugin that runs. */
  close(): void
}

const isSame = (left: Credentials, right: Credentials): boolean =>
  left.token === right.token &&
  left.clientCertificate?.certificate === right.clientCertificate?.certificate &&
  left.clientCertificate?.key === right.clientCertificate?.key

/** Runs the plugin when its credentials are needed, have expired, or were refused; whoever comes meanwhile waits for that run. */
function createExecSource(plugin: ExecPlugin, runPlugin: RunPlugin, clock: Clock): CredentialSource {
  const closed = new AbortController()
  let current: ExecCredential | undefined
  let running: Promise<ExecCredential> | undefined
  const run = (): Promise<ExecCredential> => {
    running ??= runPlugin(plugin, closed.signal)
      .then((text) => {
        current = parseExecCredential(text, plugin)
        return current
      })
      .finally(() => {
        running = undefined
      })
    return running
  }
  return {
    get: async () => {
      const isFresh = current !== undefined && (current.expiresAtMs === undefined || clock.now() < current.expiresAtMs)
      return current !== undefined && isFresh ? current : run()
    },
    refresh: async (refused) => {
      // Somebody else's refusal has brought new ones already.
      if (current !== undefined && !isSame(current, refused)) return true
      return !isSame(await run(), refused)
    },
    close: () => closed.abort(),
  }
}

function createPlainSource(connection: ConnectionSettings, clock: Clock): CredentialSource {
  const tokens = createTokenSource(connection, clock)
  const { clientCertificate } = connection
  return {
    get: async () => {
      const token = await tokens.get()
      return { ...(token === undefined ? {} : { token }), ...(clientCertificate ? { clientCertificate } : {}) }
    },
    refresh: ({ token }) => tokens.refresh(token),
    close: () => undefined,
  }
}

/** The credentials of a connection. Without `runPlugin`, a connection that needs a plugin is refused. */
export function createCredentialSource(
  connection: ConnectionSettings,
  clock: Clock,
  runPlugin: RunPlugin | undefined,
): CredentialSource {
  const { exec } = connection
  if (exec === undefined) return createPlainSource(connection, clock)
  if (runPlugin === undefined)
    throw kubeconfigInvalid(
      `the kubeconfig gets its credentials from the program ${exec.command}, and no programs are started here: use a token, a token file or a client certificate, for example of a service account (kubectl create token)`,
    )
  return createExecSource(exec, runPlugin, clock)
}
