import type { CredentialFiles } from './credentials.ts'

/** What the command lines of a control plane are made of. */
export interface Layout {
  /** Folder of etcd's data. */
  dataFolder: string
  etcdPort: number
  port: number
  files: CredentialFiles
  auditPolicy: string
  auditLog: string
  egress: string
  /** How long a node may be silent before it is not ready. */
  nodeGraceMs: number
}

type Flags = Readonly<Record<string, string | number | boolean>>

const format = (flags: Flags): string[] => Object.entries(flags).map(([name, value]) => `--${name}=${value}`)

/** etcd for one run: nothing has to survive a loss of power. */
export function etcdFlags({ dataFolder, etcdPort }: Layout): string[] {
  const url = `http://127.0.0.1:${etcdPort}`
  return format({
    'data-dir': dataFolder,
    'listen-client-urls': url,
    'advertise-client-urls': url,
    'listen-peer-urls': 'http://127.0.0.1:0',
    'unsafe-no-fsync': true,
    'log-level': 'warn',
  })
}

/** An API server as kubeadm sets one up, on loopback. */
export function apiServerFlags({ etcdPort, port, files, ...layout }: Layout): string[] {
  return format({
    'etcd-servers': `http://127.0.0.1:${etcdPort}`,
    'bind-address': '127.0.0.1',
    'advertise-address': '127.0.0.1',
    'secure-port': port,
    'endpoint-reconciler-type': 'none',
    'service-cluster-ip-range': '10.0.0.0/24',
    'tls-cert-file': files.server,
    'tls-private-key-file': files.serverKey,
    'client-ca-file': files.authority,
    'service-account-issuer': 'https://kubernetes.default.svc.cluster.local',
    'service-account-key-file': files.serviceAccountPublicKey,
    'service-account-signing-key-file': files.serviceAccountKey,
    'authorization-mode': 'Node,RBAC',
    'enable-admission-plugins': 'NodeRestriction',
    'allow-privileged': true,
    'kubelet-certificate-authority': files.authority,
    'kubelet-client-certificate': files.kubeletClient,
    'kubelet-client-key': files.kubeletClientKey,
    'kubelet-preferred-address-types': 'InternalIP',
    'egress-selector-config-file': layout.egress,
    'audit-policy-file': layout.auditPolicy,
    'audit-log-path': layout.auditLog,
    // Megabytes: the log goes with the sandbox, and is read from its beginning.
    'audit-log-maxsize': 100_000,
    profiling: false,
  })
}

const perSecond = { 'kube-api-qps': 1_000, 'kube-api-burst': 2_000 }
const alone = { 'leader-elect': false, 'secure-port': 0, profiling: false }

/** A controller manager that notices silent nodes soon. */
export function controllerManagerFlags({ files, nodeGraceMs }: Layout, kubeconfig: string): string[] {
  return format({
    kubeconfig,
    ...alone,
    ...perSecond,
    'use-service-account-credentials': true,
    'service-account-private-key-file': files.serviceAccountKey,
    'root-ca-file': files.authority,
    'cluster-signing-cert-file': files.authority,
    'cluster-signing-key-file': files.authorityKey,
    'node-monitor-period': '500ms',
    'node-monitor-grace-period': `${nodeGraceMs}ms`,
    // Nodes come and go by the dozen here; a cluster of machines would wait ten seconds from one to the next.
    'node-eviction-rate': 100,
    'secondary-node-eviction-rate': 100,
  })
}

export const schedulerFlags = (kubeconfig: string): string[] => format({ kubeconfig, ...alone, ...perSecond })
