import type { ApiAnswer, Body } from '../client.ts'
import type { ApiCase } from '../context.ts'
import {
  at,
  configMap,
  configMaps,
  daemonSets,
  definition,
  definitions,
  dig,
  gadget,
  gadgetsOf,
  module,
  modules,
  node,
  nodeModulesConfigs,
  nodes,
  pod,
  pods,
} from '../objects.ts'

const table = 'application/json;as=Table;v=v1;g=meta.k8s.io'
const kmm = 'kmm.sigs.x-k8s.io'

/** A table without the texts of its columns, which say what kubectl explain says. */
function slim({ status, body }: ApiAnswer): unknown {
  const columns = (dig(body, 'columnDefinitions') as Body[] | undefined) ?? []
  const rows = (dig(body, 'rows') as Body[] | undefined) ?? []
  if (status !== 200) return { status, body }
  return {
    kind: [body['kind'], body['apiVersion']],
    columns: columns.map(({ name, type, format, priority }) => ({ name, type, format, priority })),
    rows: rows.map((row) => ({
      cells: row['cells'],
      object: dig(row, 'object', 'kind'),
      name: dig(row, 'object', 'metadata', 'name'),
    })),
  }
}

const ourGroups = (body: unknown): unknown =>
  (dig(body, 'groups') as Body[]).filter(({ name }) => String(name).endsWith(kmm))
const ourItems = (body: unknown): unknown =>
  (dig(body, 'items') as Body[]).filter((each) => dig(each, 'metadata', 'name') === kmm)

/** The properties that a schema describes, with what is said of each, down to some depth. */
function byName(body: Body): unknown {
  const resources = (dig(body, 'resources') as Body[]).map(({ storageVersionHash: _hash, ...each }) => each)
  const sorted = resources.toSorted((a, b) => (String(a['name']) < String(b['name']) ? -1 : 1))
  return { ...body, resources: sorted }
}

const served = [
  'configmaps',
  'pods',
  'pods/log',
  'pods/eviction',
  'pods/binding',
  'pods/status',
  'namespaces',
  'nodes',
  'nodes/status',
  'secrets',
  'serviceaccounts',
  'serviceaccounts/token',
  'events',
]

/** Discovery, OpenAPI and tables. */
export const discoveryCases: readonly ApiCase[] = [
  {
    name: 'groups and versions',
    observe: async ({ api }) => {
      const groups = await api.get('/apis')
      const core = await api.get('/api')
      return {
        ours: ourGroups(groups.body),
        order: ['apps', 'coordination.k8s.io', 'events.k8s.io', 'resource.k8s.io'].map((name) =>
          (dig(groups.body, 'groups') as Body[]).find((each) => each['name'] === name),
        ),
        core: [core.body['kind'], core.body['versions']],
        group: await api.get(`/apis/${kmm}`),
        nothing: await api.get('/apis/nothing.example'),
        nothingVersion: await api.get(`/apis/${kmm}/v9`),
      }
    },
  },
  {
    name: 'resources of our groups and of core',
    observe: async ({ api }) => {
      const core = dig((await api.get('/api/v1')).body, 'resources') as Body[]
      return {
        v1beta1: byName((await api.get(`/apis/${kmm}/v1beta1`)).body),
        v1beta2: byName((await api.get(`/apis/${kmm}/v1beta2`)).body),
        core: core
          .filter(({ name }) => served.includes(String(name)))
          .map(({ storageVersionHash: _hash, ...each }) => each),
      }
    },
  },
  {
    name: 'aggregated discovery',
    observe: async ({ api }) => {
      const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
      const all = await api.get('/apis', { accept })
      const core = await api.get('/api', { accept })
      const pods1 = (dig(core.body, 'items', 0, 'versions', 0, 'resources') as Body[]).find(
        (each) => each['resource'] === 'pods',
      )
      const subresources = ((pods1?.['subresources'] ?? []) as Body[]).filter((each) =>
        served.includes(`pods/${String(each['subresource'])}`),
      )
      return { type: all.type, kind: all.body['kind'], ours: ourItems(all.body), pods: { ...pods1, subresources } }
    },
  },
  {
    name: 'version and health',
    observe: async ({ api }) => {
      const version = await api.get('/version')
      return {
        version: [dig(version.body, 'major'), Object.keys(version.body).sort()],
        health: await api.get('/healthz'),
        ready: await api.get('/readyz'),
        live: await api.get('/livez'),
      }
    },
  },
  {
    name: 'OpenAPI v3 describes our kinds',
    observe: async ({ api }) => {
      const index = await api.get('/openapi/v3')
      const url = String(dig(index.body, 'paths', `apis/${kmm}/v1beta1`, 'serverRelativeURL'))
      const document = await api.get(url)
      const schemas = dig(document.body, 'components', 'schemas') as Record<string, Body>
      const ours = Object.entries(schemas).find(
        ([, schema]) => JSON.stringify(schema['x-kubernetes-group-version-kind'])?.includes('"kind":"Module"') === true,
      )
      const patch = dig(
        document.body,
        'paths',
        `/apis/${kmm}/v1beta1/namespaces/{namespace}/modules/{name}`,
        'patch',
        'requestBody',
        'content',
      )
      return {
        url: url.replace(/[0-9A-F]{64,}|[0-9A-F]{32}/, '<hash>'),
        name: ours?.[0],
        module: ours?.[1],
        patchTypes: Object.keys((patch ?? {}) as object).sort(),
        openapi: dig(document.body, 'openapi'),
        missing: await api.get('/openapi/v3/apis/nothing.example/v1'),
      }
    },
  },
  {
    name: 'OpenAPI v3 describes built-in kinds in depth',
    observe: async ({ api }) => {
      const document = await api.get('/openapi/v3/api/v1')
      const apps = await api.get('/openapi/v3/apis/apps/v1')
      const schemas = dig(document.body, 'components', 'schemas')
      const names = (value: unknown): string[] => Object.keys((value ?? {}) as object).sort()
      const properties = (all: unknown, name: string): string[] => names(dig(all, name, 'properties'))
      return {
        pod: properties(schemas, 'io.k8s.api.core.v1.Pod'),
        podSpec: properties(schemas, 'io.k8s.api.core.v1.PodSpec'),
        container: dig(schemas, 'io.k8s.api.core.v1.Container', 'properties', 'ports', 'x-kubernetes-patch-merge-key'),
        daemonSet: properties(dig(apps.body, 'components', 'schemas'), 'io.k8s.api.apps.v1.DaemonSetSpec'),
        reference: dig(schemas, 'io.k8s.api.core.v1.Pod', 'properties', 'spec', 'allOf'),
        patchTypes: names(
          dig(document.body, 'paths', '/api/v1/namespaces/{namespace}/pods/{name}', 'patch', 'requestBody', 'content'),
        ),
      }
    },
  },
  {
    name: 'tables of our kinds',
    observe: async ({ api, ns, token }) => {
      await api.post(at(modules, ns), module('m'))
      await api.patch(at(modules, ns, 'm', 'status'), 'merge', {
        status: { moduleLoader: { availableNumber: 1, desiredNumber: 2, nodesMatchingSelectorNumber: 2 } },
      })
      await api.post(at(nodeModulesConfigs), {
        apiVersion: `${kmm}/v1beta1`,
        kind: 'NodeModulesConfig',
        metadata: { name: token },
        spec: {},
      })
      const result = {
        modules: slim(await api.get(at(modules, ns), { accept: table })),
        one: slim(await api.get(at(modules, ns, 'm'), { accept: table })),
        withObject: slim(await api.get(`${at(modules, ns)}?includeObject=Object`, { accept: table })),
        withNone: slim(await api.get(`${at(modules, ns)}?includeObject=None`, { accept: table })),
        node: slim(await api.get(at(nodeModulesConfigs, '', token), { accept: table })),
        images: slim(await api.get(at(`${kmm}/v1beta1/moduleimagesconfigs`, ns), { accept: table })),
        preflights: slim(await api.get(at(`${kmm}/v1beta2/preflightvalidations`), { accept: table })),
        absent: await api.get(at(modules, ns, 'absent'), { accept: table }),
      }
      await api.delete(at(nodeModulesConfigs, '', token))
      return result
    },
  },
  {
    name: 'tables of built-in kinds',
    observe: async ({ api, ns, token, until }) => {
      await api.post(at(nodes), node(token, { 'node-role.kubernetes.io/worker': '' }, { unschedulable: true }))
      await api.post(at(pods, ns), pod('p', { nodeName: token, initContainers: [{ name: 'i', image: 'i' }] }))
      await api.post(at(configMaps, ns), configMap('c'))
      await api.post(at('v1/secrets', ns), { metadata: { name: 's' }, stringData: { a: '1' } })
      const template = {
        metadata: { labels: { a: 'b' } },
        spec: { nodeSelector: { no: token }, containers: [{ name: 'c', image: 'i' }] },
      }
      await api.post(at(daemonSets, ns), {
        metadata: { name: 'd' },
        spec: { selector: { matchLabels: { a: 'b' } }, template },
      })
      await until(at(daemonSets, ns, 'd'), ({ body }) => dig(body, 'status', 'observedGeneration') === 1)
      const show = async (path: string): Promise<unknown> => slim(await api.get(path, { accept: table }))
      const result = {
        pods: await show(at(pods, ns)),
        node: await show(at(nodes, '', token)),
        configMap: await show(at(configMaps, ns, 'c')),
        secret: await show(at('v1/secrets', ns)),
        daemonSet: await show(at(daemonSets, ns)),
        namespace: await show(at('v1/namespaces', '', ns)),
        accounts: await show(at('v1/serviceaccounts', ns)),
        leases: await show(at('coordination.k8s.io/v1/leases', ns)),
        events: await show(at('v1/events', 'no-such-namespace')),
        definition: await show(at(definitions, '', `modules.${kmm}`)),
        roles: await show(at('rbac.authorization.k8s.io/v1/roles', ns)),
        bindings: await show(at('rbac.authorization.k8s.io/v1/rolebindings', ns)),
        quotas: await show(at('v1/resourcequotas', ns)),
      }
      await api.delete(at(nodes, '', token))
      return result
    },
  },
  {
    name: 'a table of a pod tells its state as kubectl shows it',
    observe: async ({ api, ns, token }) => {
      const path = at(pods, ns, 'p')
      await api.post(
        at(pods, ns),
        pod('p', {
          nodeName: token,
          initContainers: [{ name: 'i', image: 'i' }],
          readinessGates: [{ conditionType: 'g' }],
        }),
      )
      const status = async (change: unknown): Promise<unknown> => {
        await api.patch(`${path}/status`, 'strategic', { status: change })
        const answer = await api.get(path, { accept: table })
        return dig(answer.body, 'rows', 0, 'cells')
      }
      const container = (name: string, state: unknown, more: Record<string, unknown> = {}): unknown => ({
        name,
        state,
        ready: false,
        restartCount: 0,
        image: 'i',
        imageID: '',
        ...more,
      })
      const terminated = { exitCode: 1, finishedAt: new Date().toISOString().replace(/\.\d+Z/, 'Z') }
      return {
        initWaiting: await status({
          initContainerStatuses: [container('i', { waiting: { reason: 'PodInitializing' } })],
        }),
        initFailed: await status({
          initContainerStatuses: [
            container('i', { terminated: { ...terminated, reason: 'Error' } }, { restartCount: 2 }),
          ],
        }),
        initPulling: await status({ initContainerStatuses: [container('i', { waiting: { reason: 'ErrImagePull' } })] }),
        pulling: await status({
          initContainerStatuses: [container('i', { terminated: { exitCode: 0, reason: 'Completed' } })],
          containerStatuses: [container('main', { waiting: { reason: 'ImagePullBackOff' } })],
        }),
        crash: await status({
          phase: 'Running',
          containerStatuses: [
            container(
              'main',
              { waiting: { reason: 'CrashLoopBackOff' } },
              { restartCount: 3, lastState: { terminated } },
            ),
          ],
        }),
        running: await status({
          phase: 'Running',
          podIP: '10.0.0.1',
          podIPs: [{ ip: '10.0.0.1' }],
          conditions: [
            { type: 'Initialized', status: 'True' },
            { type: 'Ready', status: 'True' },
          ],
          containerStatuses: [container('main', { running: {} }, { ready: true })],
        }),
        completed: await status({
          phase: 'Succeeded',
          containerStatuses: [container('main', { terminated: { exitCode: 0, reason: 'Completed' } })],
        }),
        failedReason: await status({ phase: 'Failed', reason: 'Evicted' }),
      }
    },
  },
  {
    name: 'columns of a custom resource follow JSON paths and types',
    observe: async ({ api, ns, token, until }) => {
      const column = (name: string, type: string, jsonPath: string, more: Record<string, unknown> = {}): unknown => ({
        name,
        type,
        jsonPath,
        ...more,
      })
      const additionalPrinterColumns = [
        column('Text', 'string', '.spec.text', { description: 'A text.', priority: 1 }),
        column('Number', 'integer', '.spec.number'),
        column('Flag', 'boolean', '.spec.flag'),
        column('When', 'date', '.spec.when'),
        column('First', 'string', '.spec.list[0].name'),
        column('Found', 'string', '.spec.list[?(@.name=="b")].value'),
        column('All', 'string', '.spec.list[*].name'),
        column('Object', 'string', '.spec.object'),
        column('Absent', 'string', '.spec.absent'),
        column('Mistyped', 'integer', '.spec.text'),
        column('Label', 'string', '.metadata.labels.a\\.b/c'),
      ]
      const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
      const made = await api.post(at(definitions), definition({ token, schema, version: { additionalPrinterColumns } }))
      const path = at(gadgetsOf(token), ns)
      await until(path, ({ status }) => status === 200)
      const spec = {
        text: 't',
        number: 3,
        flag: true,
        when: '2020-01-01T00:00:00Z',
        list: [
          { name: 'a', value: '1' },
          { name: 'b', value: '2' },
        ],
        object: { x: [1, 'y'] },
      }
      await api.post(path, gadget(token, 'g', { spec, metadata: { name: 'g', labels: { 'a.b/c': 'l' } } }))
      await api.post(path, gadget(token, 'h', {}))
      const shown = slim(await api.get(path, { accept: table }))
      await api.delete(at(definitions, '', `gadgets.${token}.example.com`))
      return { made: made.status, shown }
    },
  },
  {
    name: 'metadata alone',
    observe: async ({ api, ns }) => {
      await api.post(at(modules, ns), module('m', {}, { labels: { a: 'b' } }))
      const one = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'
      const list = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'
      return {
        one: await api.get(at(modules, ns, 'm'), { accept: one }),
        list: await api.get(at(modules, ns), { accept: list }),
        wrong: await api.get(at(modules, ns), { accept: 'application/json;as=Chair;g=meta.k8s.io;v=v1' }),
        fallback: dig(
          (await api.get(at(modules, ns), { accept: 'application/json;as=Chair;g=meta.k8s.io;v=v1,application/json' }))
            .body,
          'kind',
        ),
      }
    },
  },
]
