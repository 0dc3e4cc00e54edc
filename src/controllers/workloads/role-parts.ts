import type { Container, PodSpec, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import type { PluginRole } from '../cluster/plugin-role.ts'

/** What KMM adds to the pods of a role, whatever the Module asks for (upstream: "Device plugin and DRA DaemonSets"). */
export interface RoleParts {
  /** Name of the container; its init container's is `<name>-init`, its DaemonSet's `<module>-<name>-…`. */
  name: string
  volumes: readonly Volume[]
  mounts: readonly VolumeMount[]
  env: NonNullable<Container['env']>
  container: Pick<Container, 'livenessProbe'>
  pod: Pick<PodSpec, 'hostNetwork'>
  /** The node carries a label where the pods may go, besides the one that says: the module is loaded. */
  needsTarget: boolean
}

/** Since Kubernetes 1.24; the types are older. */
interface GrpcProbe {
  grpc: { port: number; service: string }
  initialDelaySeconds: number
  periodSeconds: number
  timeoutSeconds: number
  failureThreshold: number
}

type HostPathType = 'Directory' | 'DirectoryOrCreate'

const hostPath = (name: string, path: string, type: HostPathType): Volume => ({ name, hostPath: { path, type } })

const mountOf = ({ name, hostPath: source }: Volume): VolumeMount => ({ name, mountPath: source?.path ?? '' })

const pluginSockets = hostPath('kubelet-device-plugins', '/var/lib/kubelet/device-plugins', 'Directory')

const driverFolders = {
  plugins: '/var/lib/kubelet/plugins/',
  registry: '/var/lib/kubelet/plugins_registry/',
  cdi: '/var/run/cdi',
}

const driverVolumes = [
  hostPath('kubelet-plugins', driverFolders.plugins, 'DirectoryOrCreate'),
  hostPath('kubelet-plugins-registry', driverFolders.registry, 'Directory'),
  hostPath('cdi', driverFolders.cdi, 'DirectoryOrCreate'),
]

const healthPort = 51_515

const driverProbe: GrpcProbe = {
  grpc: { port: healthPort, service: 'liveness' },
  initialDelaySeconds: 30,
  periodSeconds: 10,
  timeoutSeconds: 5,
  failureThreshold: 3,
}

const fromField = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } })

/** The parts of each role. */
export const roleParts: Readonly<Record<PluginRole, RoleParts>> = {
  'device-plugin': {
    name: 'device-plugin',
    volumes: [pluginSockets],
    mounts: [mountOf(pluginSockets)],
    env: [],
    container: {},
    pod: {},
    needsTarget: true,
  },
  dra: {
    name: 'dra',
    volumes: driverVolumes,
    mounts: driverVolumes.map(mountOf),
    env: [
      fromField('NODE_NAME', 'spec.nodeName'),
      fromField('POD_UID', 'metadata.uid'),
      { name: 'CDI_ROOT', value: driverFolders.cdi },
      { name: 'KUBELET_REGISTRAR_DIRECTORY_PATH', value: driverFolders.registry },
      { name: 'KUBELET_PLUGINS_DIRECTORY_PATH', value: driverFolders.plugins },
      { name: 'HEALTHCHECK_PORT', value: String(healthPort) },
    ],
    container: { livenessProbe: driverProbe },
    pod: { hostNetwork: true },
    needsTarget: false,
  },
}
