import type { Container, Volume } from 'kubernetes-types/core/v1.js'
import type { AdmissionPlugin, WriteRequest } from '../hooks.ts'
import type { ApiObject } from '../object.ts'
import { forbidden } from '../status-error.ts'
import type { Store } from '../store.ts'
import { isSameResource, pods, serviceAccounts } from './known-resources.ts'
import type { Pod, PodSpec } from './pod-shape.ts'

const tokenPath = '/var/run/secrets/kubernetes.io/serviceaccount'
const tokenVolumePrefix = 'kube-api-access-'
/** An hour and seven seconds: the odd lifetime by which the server tells its own projections from others. */
const tokenLifetimeSeconds = 3607

interface ServiceAccount extends ApiObject {
  imagePullSecrets?: { name?: string }[]
  automountServiceAccountToken?: boolean
}

function createTokenVolume(name: string): Volume {
  const token = { path: 'token', expirationSeconds: tokenLifetimeSeconds }
  const certificate = { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] }
  const namespace = { path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }
  const sources = [{ serviceAccountToken: token }, { configMap: certificate }, { downwardAPI: { items: [namespace] } }]
  return { name, projected: { sources, defaultMode: 0o644 } }
}

function lacksTokenMount(container: Container): boolean {
  return !(container.volumeMounts ?? []).some((mount) => mount.mountPath === tokenPath)
}

function mountToken(spec: PodSpec, generateSuffix: () => string): void {
  const { volumes = [], containers, initContainers = [] } = spec
  const given = volumes.find((volume) => volume.name.startsWith(tokenVolumePrefix))
  const name = given?.name ?? `${tokenVolumePrefix}${generateSuffix()}`
  const lacking = [...initContainers, ...containers].filter(lacksTokenMount)
  for (const container of lacking)
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath: tokenPath }]
  if (given === undefined && lacking.length > 0) spec.volumes = [...volumes, createTokenVolume(name)]
}

function addPullSecrets(spec: PodSpec, account: ServiceAccount): void {
  const { imagePullSecrets: secrets = [] } = account
  if ((spec.imagePullSecrets ?? []).length > 0 || secrets.length === 0) return
  spec.imagePullSecrets = secrets.map(({ name }) => (name === undefined ? {} : { name }))
}

function readNewPod(request: WriteRequest): PodSpec | undefined {
  if (request.operation !== 'CREATE' || request.subresource !== undefined) return undefined
  return isSameResource(request.resource, pods) ? (request.object as Pod | undefined)?.spec : undefined
}

/**
 * Gives each new pod its service account: `default` when it names none, refused when there is no such account; the
 * account's pull secrets when the pod has none; and the projected token volume unless pod or account decline it.
 */
export function createServiceAccountAdmission(store: Store, generateSuffix: () => string): AdmissionPlugin {
  const findAccount = (request: WriteRequest, name: string): ServiceAccount => {
    const namespace = request.namespace ?? ''
    const account = store.find(serviceAccounts, { namespace, name })
    if (account !== undefined) return account as ServiceAccount
    const why = `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`
    throw forbidden(request.resource, request.name, why)
  }
  const admit = (request: WriteRequest): void => {
    const spec = readNewPod(request)
    if (spec === undefined) return
    spec.serviceAccountName ||= 'default'
    // The older name of the same field, which the server keeps alike.
    spec.serviceAccount = spec.serviceAccountName
    const account = findAccount(request, spec.serviceAccountName)
    if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true)
      mountToken(spec, generateSuffix)
    addPullSecrets(spec, account)
  }
  return { name: 'ServiceAccount', phase: 'mutating', admit }
}
