import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ConnectionSettings } from './connection.ts'
import { type Environment, type KubeconfigSource, loadKubeconfig } from './kubeconfig.ts'
import { kubeconfigInvalid } from './kubeconfig-file.ts'

const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

function readOptional(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** The connection that a pod has: the service account's files and the KUBERNETES_SERVICE_* variables. */
export function loadInClusterConnection(environment: Environment, folder = serviceAccountFolder): ConnectionSettings {
  const host = environment['KUBERNETES_SERVICE_HOST'] ?? ''
  const port = environment['KUBERNETES_SERVICE_PORT'] ?? '443'
  const tokenFile = join(folder, 'token')
  if (host === '' || !existsSync(tokenFile))
    throw kubeconfigInvalid(
      `not running in a pod with a service account (KUBERNETES_SERVICE_HOST or ${tokenFile} is missing): pass --kubeconfig or set KUBECONFIG`,
    )
  const certificateAuthority = readOptional(join(folder, 'ca.crt'))
  const namespace = readOptional(join(folder, 'namespace'))?.trim()
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    insecureSkipTlsVerify: false,
    tokenFile,
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
    ...(namespace ? { namespace } : {}),
  }
}

/** The connection of a program, first match: named kubeconfig, KUBECONFIG, the pod's service account, `~/.kube/config`. */
export function loadConnection(source: KubeconfigSource & { environment: Environment }): ConnectionSettings {
  const named = source.text !== undefined || source.path !== undefined || Boolean(source.environment['KUBECONFIG'])
  const inPod =
    Boolean(source.environment['KUBERNETES_SERVICE_HOST']) && existsSync(join(serviceAccountFolder, 'token'))
  return !named && inPod ? loadInClusterConnection(source.environment) : loadKubeconfig(source)
}
