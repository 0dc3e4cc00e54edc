import { randomBytes } from 'node:crypto'
import { createAdmission } from './apiserver/admission/admission.ts'
import { type ApiServer, type ApiServerOptions, startApiServer } from './apiserver/api-server.ts'
import type { LogSource } from './apiserver/rest/pod-subresources.ts'
import { createValidator } from './apiserver/validation/validator.ts'
import type { WebhookOptions } from './apiserver/webhook-call.ts'
import type { Controller } from './controllers/controller.ts'
import { type ControllersOptions, startControllers } from './controllers/controllers.ts'
import { createAdminClient, type Engine } from './engine.ts'
import { furnish } from './furnish.ts'
import type { FindKubelets } from './node/kubelet.ts'
import type { StopList } from './stop-list.ts'

/** What only the embedded engine can be told. */
export interface EmbeddedEngineOptions extends WebhookOptions {
  api?: Omit<ApiServerOptions, 'extend' | 'logSource'>
  controllers?: ControllersOptions
  /** False: the API server leaves image volumes out of pods, as Kubernetes before 1.35 unless they are switched on. */
  imageVolumes?: boolean
}

/** A cluster in this process. */
export interface EmbeddedEngine extends Engine {
  readonly api: ApiServer
  readonly controllers: Controller
}

const nodesUser = { name: 'system:node:kmm-sandbox', groups: ['system:nodes', 'system:authenticated'] }

const newSuffix = (): string => randomBytes(3).toString('hex').slice(0, 5)

/** Starts API server and controllers in this process, with KMM's resources. */
export async function startEmbeddedEngine(
  options: EmbeddedEngineOptions,
  { root, findKubelets }: { root: string; findKubelets: FindKubelets },
  stops: StopList,
): Promise<EmbeddedEngine> {
  const { findService, imageVolumes = true } = options
  const webhooks = findService === undefined ? {} : { findService }
  const admission = { generateSuffix: newSuffix, imageVolumes, ...webhooks }
  const logSource: LogSource = async (request) => {
    const logs = await Promise.all(findKubelets().map((kubelet) => kubelet.readLog(request, request)))
    return logs.find((log) => log !== undefined)
  }
  const api = stops.add(
    await startApiServer({
      ...options.api,
      ...webhooks,
      logSource,
      extend: (store) => ({ validator: createValidator(), plugins: createAdmission(store, admission) }),
    }),
    (server) => server.stop(),
  )
  const controllers = stops.add(startControllers(api, options.controllers), (each) => each.stop())
  const client = stops.add(createAdminClient(api.kubeconfig), (each) => each.close())
  await furnish(client, root)
  await controllers.drained()
  return {
    api,
    controllers,
    client,
    url: api.url,
    kubeconfig: api.kubeconfig,
    writes: api.writes,
    kubeconfigFor: (user) => api.kubeconfigFor(api.addIdentity(user)),
    nodesKubeconfig: api.kubeconfigFor(api.addIdentity(nodesUser)),
    nodes: {},
    settled: () => controllers.drained(),
  }
}
