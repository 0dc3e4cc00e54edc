import { parse } from 'yaml'
import { KmmError } from '../errors/error.ts'
import {
  type Fields,
  listUnknown,
  read,
  readChoice,
  readPath,
  readPort,
  readSection,
} from './operator-config-fields.ts'
import { defaultJob, type JobConfig, listUnknownJob, readJob } from './operator-config-job.ts'

/** Who fetches a kmod image for a load: the worker itself, or the kubelet, which mounts it as an image volume. */
export const imageSources = ['worker', 'volume'] as const

export type ImageSource = (typeof imageSources)[number]

/** The operator's configuration: what stands under `controller_config.yaml` in its ConfigMap. */
export interface OperatorConfig {
  /** `host:port` or `:port` of /healthz and /readyz. */
  healthProbeBindAddress: string
  /** Where the admission webhook listens; 0 lets the system choose. */
  webhookPort: number
  leaderElection: { enabled: boolean; resourceID: string }
  metrics: {
    /** `host:port` or `:port`; `0` for none. */
    bindAddress: string
    enableAuthnAuthz: boolean
    secureServing: boolean
  }
  worker: {
    runAsUser: number
    seLinuxType: string
    /** Host folder that firmware is copied to; `setFirmwareClassPath` is the documented name of the same. */
    firmwareHostPath: string
    /** Host folder of the workers' image cache. */
    cachePath: string
    imageSource: ImageSource
  }
  job: JobConfig
  /** Mirrors, CA bundle and proxy for registries, as the worker reads them; undefined for none. */
  registry: unknown
}

export type { JobConfig, JobResources } from './operator-config-job.ts'

const defaults: OperatorConfig = {
  healthProbeBindAddress: ':8081',
  webhookPort: 9443,
  leaderElection: { enabled: true, resourceID: 'kmm.sigs.x-k8s.io' },
  metrics: { bindAddress: '0.0.0.0:8443', enableAuthnAuthz: true, secureServing: true },
  worker: {
    runAsUser: 0,
    seLinuxType: 'spc_t',
    firmwareHostPath: '/lib/firmware',
    cachePath: '/var/lib/kmm/cache',
    imageSource: 'worker',
  },
  job: defaultJob,
  registry: undefined,
}

function parseFields(text: string): Fields {
  try {
    return readSection({ document: parse(text) as unknown }, 'document')
  } catch (cause) {
    throw new KmmError('operator configuration: not valid YAML; correct the ConfigMap and restart the operator', {
      code: 'ConfigurationInvalid',
      fate: 'terminal',
      cause,
    })
  }
}

/**
 * Parses the operator's configuration over its defaults (upstream: operator config). Unknown keys are ignored and named
 * in `unknown`, so that a file of another version still works; a value of the wrong kind throws ConfigurationInvalid.
 */
export function parseOperatorConfig(text: string): { config: OperatorConfig; unknown: string[] } {
  const fields = parseFields(text)
  const election = readSection(fields, 'leaderElection')
  const metrics = readSection(fields, 'metrics')
  const worker = readSection(fields, 'worker')
  const job = readSection(fields, 'job')
  const firmware = readPath(worker, 'worker.setFirmwareClassPath', defaults.worker.firmwareHostPath)
  return {
    config: {
      healthProbeBindAddress: read(fields, 'healthProbeBindAddress', defaults.healthProbeBindAddress),
      webhookPort: readPort(fields, 'webhookPort', defaults.webhookPort),
      leaderElection: {
        enabled: read(election, 'leaderElection.enabled', defaults.leaderElection.enabled),
        resourceID: read(election, 'leaderElection.resourceID', defaults.leaderElection.resourceID),
      },
      metrics: {
        bindAddress: read(metrics, 'metrics.bindAddress', defaults.metrics.bindAddress),
        enableAuthnAuthz: read(metrics, 'metrics.enableAuthnAuthz', defaults.metrics.enableAuthnAuthz),
        secureServing: read(metrics, 'metrics.secureServing', defaults.metrics.secureServing),
      },
      worker: {
        runAsUser: read(worker, 'worker.runAsUser', defaults.worker.runAsUser),
        seLinuxType: read(worker, 'worker.seLinuxType', defaults.worker.seLinuxType),
        firmwareHostPath: readPath(worker, 'worker.firmwareHostPath', firmware),
        cachePath: readPath(worker, 'worker.cachePath', defaults.worker.cachePath),
        imageSource: readChoice(worker, 'worker.imageSource', imageSources, defaults.worker.imageSource),
      },
      job: readJob(job),
      registry: fields['registry'] ?? undefined,
    },
    unknown: [
      ...listUnknown(fields, '', defaults),
      ...listUnknown(election, 'leaderElection', defaults.leaderElection),
      ...listUnknown(metrics, 'metrics', defaults.metrics),
      ...listUnknown(worker, 'worker', defaults.worker),
      ...listUnknownJob(job),
    ],
  }
}
