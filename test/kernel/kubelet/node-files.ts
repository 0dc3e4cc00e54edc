import { stringify } from 'yaml'
import type { KubeletCredentials } from '../../../src/sandbox/kubernetes/control-plane.ts'

/** A machine's own address, and the one under which it reaches the loopback of the computer that it runs on. */
const nodeAddress = '10.0.2.15'
const hostAddress = '10.0.2.2'

/** What makes a machine the kubelet of one node. */
export interface NodeIdentity {
  name: string
  credentials: KubeletCredentials
  /** The kubelet's, in the machine and on this computer's loopback alike. */
  port: number
  /** The registry's on this computer's loopback; images name it as 127.0.0.1 with this port. */
  registryPort: number
  /** How long the control plane bears the node's silence. */
  leaseSeconds: number
}

/** A file by its path in the machine. */
export type NodeFiles = Readonly<Record<string, string>>

const folder = '/etc/kubernetes'
/** The kubelet starts when this file is there. */
export const argumentsFile = `${folder}/arguments`
const configurationFile = `${folder}/kubelet.yaml`

/** What holds for every kubelet in a machine without systemd, of which nobody wants anything but pods. */
const commonConfiguration = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
  cgroupDriver: 'cgroupfs',
  failSwapOn: false,
  makeIPTablesUtilChains: false,
  localStorageCapacityIsolation: false,
  serializeImagePulls: false,
  registryPullQPS: 0,
  // Nothing is collected or evicted: the images that are there have to stay.
  imageGCHighThresholdPercent: 100,
  evictionHard: {},
  volumeStatsAggPeriod: '-1s',
  // There is no name service.
  resolvConf: '',
  readOnlyPort: 0,
  healthzPort: 0,
  // A test that waits for the third attempt does not want to wait for minutes.
  crashLoopBackOff: { maxContainerRestartPeriod: '2s' },
}

const anonymous = {
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: 'AlwaysAllow' },
}

function formatArguments(more: readonly string[]): string {
  return [`--config=${configurationFile}`, `--node-ip=${nodeAddress}`, '--housekeeping-interval=30s', ...more].join(' ')
}

/** The files by which a machine joins a cluster; the last one starts the kubelet. */
export function buildNodeFiles({ name, credentials, port, registryPort, leaseSeconds }: NodeIdentity): NodeFiles {
  const registry = `127.0.0.1:${registryPort}`
  const configuration = {
    ...commonConfiguration,
    port,
    nodeLeaseDurationSeconds: leaseSeconds,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: `${folder}/ca.crt` },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: `${folder}/kubelet.crt`,
    tlsPrivateKeyFile: `${folder}/kubelet.key`,
  }
  const relay = [
    '*nat',
    `-A OUTPUT -d 127.0.0.1 -p tcp --dport ${registryPort} -j DNAT --to-destination ${hostAddress}`,
    `-A POSTROUTING -d ${hostAddress} -j MASQUERADE`,
    'COMMIT',
    '',
  ]
  const upstream = `http://${hostAddress}:${registryPort}`
  return {
    '/etc/hostname': `${name}\n`,
    '/etc/kmm-node/relay': relay.join('\n'),
    [`/etc/kmm-node/certs.d/${registry}/hosts.toml`]: `server = "${upstream}"\n[host."${upstream}"]\n  capabilities = ["pull", "resolve"]\n`,
    [`${folder}/ca.crt`]: credentials.clientAuthority,
    [`${folder}/kubelet.crt`]: credentials.serving.certificate,
    [`${folder}/kubelet.key`]: credentials.serving.key,
    [`${folder}/kubeconfig`]: credentials.kubeconfig,
    [configurationFile]: stringify(configuration),
    [argumentsFile]: formatArguments([`--kubeconfig=${folder}/kubeconfig`, `--hostname-override=${name}`]),
  }
}

const staticPods = `${folder}/manifests`
/** Written by the pod of `buildRehearsalFiles`. */
export const rehearsedFile = '/run/rehearsal/done'

/**
 * The files of a kubelet without a cluster that runs one pod of an image: once done, all programs are in the machine's
 * memory, and the first pod of a cluster is as fast as the second.
 */
export function buildRehearsalFiles(image: string): NodeFiles {
  const script = `require('node:fs').writeFileSync('${rehearsedFile}', '')`
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'rehearsal', namespace: 'default' },
    spec: {
      restartPolicy: 'Never',
      volumes: [{ name: 'done', hostPath: { path: '/run/rehearsal', type: 'DirectoryOrCreate' } }],
      containers: [
        {
          name: 'rehearsal',
          image,
          imagePullPolicy: 'Never',
          command: ['/usr/local/bin/node', '-e', script],
          volumeMounts: [{ name: 'done', mountPath: '/run/rehearsal' }],
        },
      ],
    },
  }
  const configuration = {
    ...commonConfiguration,
    ...anonymous,
    staticPodPath: staticPods,
    fileCheckFrequency: '1s',
    enableControllerAttachDetach: false,
    syncFrequency: '5s',
  }
  return {
    [`${staticPods}/rehearsal.yaml`]: stringify(pod),
    [configurationFile]: stringify(configuration),
    [argumentsFile]: formatArguments(['--hostname-override=rehearsal']),
  }
}

/** Where the rehearsal's leavings are. */
export const rehearsalLeavings = [argumentsFile, staticPods, rehearsedFile]
