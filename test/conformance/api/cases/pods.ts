import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiAnswer } from '../client.ts'
import type { ApiCase } from '../context.ts'
import { at, brief, dig, pod, pods } from '../objects.ts'

const accounts = 'v1/serviceaccounts'
const one = (container: Record<string, unknown>): Record<string, unknown> => ({
  containers: [{ name: 'main', image: 'busybox', ...container }],
})
const workerSecurity = { capabilities: { add: ['SYS_MODULE'] }, seLinuxOptions: { type: 'spc_t' } }

/** Asks until there is a warning: what pod security warns of follows what is written a moment later. */
async function untilWarned(ask: () => Promise<ApiAnswer>): Promise<ApiAnswer> {
  let answer = await ask()
  for (let look = 1; look < 100 && answer.warnings === undefined; look += 1) {
    await sleep(50)
    answer = await ask()
  }
  return answer
}

/** Defaults, validation, admission and subresources of pods. */
export const podCases: readonly ApiCase[] = [
  {
    name: 'the smallest pod is defaulted',
    observe: async ({ api, ns }) => api.post(`${at(pods, ns)}?dryRun=All`, pod('p')),
  },
  {
    name: 'a pod like the worker is defaulted',
    observe: async ({ api, ns, token }) => {
      const container = {
        name: 'worker',
        image: 'registry.example/worker:v1',
        args: ['kmod', 'load', '/etc/kmm/config.yaml'],
        env: [{ name: 'N', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
        securityContext: workerSecurity,
        resources: { limits: { cpu: '200m', memory: '128Mi' }, requests: { cpu: '100m' } },
        terminationMessagePolicy: 'FallbackToLogsOnError',
        volumeMounts: [
          { name: 'lib', mountPath: '/lib/modules', readOnly: true },
          { name: 'info', mountPath: '/etc/kmm' },
        ],
      }
      const items = [{ path: 'config.yaml', fieldRef: { fieldPath: "metadata.annotations['kmm']" } }]
      const volumes = [
        { name: 'lib', hostPath: { path: '/lib/modules', type: 'Directory' } },
        { name: 'info', downwardAPI: { items } },
        { name: 'secret', secret: { secretName: 's', optional: true } },
        { name: 'config', configMap: { name: 'c' } },
        { name: 'empty', emptyDir: {} },
        { name: 'image', image: { reference: 'registry.example/kmod:v1' } },
        { name: 'projected', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
      ]
      const spec = {
        containers: [container],
        initContainers: [{ name: 'init', image: 'init', command: ['true'] }],
        volumes,
        nodeName: token,
        restartPolicy: 'OnFailure',
        automountServiceAccountToken: false,
        serviceAccountName: 'default',
        tolerations: [{ operator: 'Exists' }],
        priorityClassName: 'system-node-critical',
      }
      return api.post(`${at(pods, ns)}?dryRun=All`, pod('p', spec))
    },
  },
  {
    name: 'probes, ports, hooks and affinity are defaulted',
    observe: async ({ api, ns }) => {
      const container = {
        ports: [{ containerPort: 80, hostPort: 80 }],
        livenessProbe: { httpGet: { path: '/', port: 80 } },
        readinessProbe: { exec: { command: ['true'] } },
        lifecycle: { preStop: { exec: { command: ['true'] } } },
        image: 'repo/image@sha256:0123456789012345678901234567890123456789012345678901234567890123',
        env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } }],
      }
      const constraint = { maxSkew: 1, topologyKey: 'z', whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} }
      const spec = { ...one(container), hostNetwork: true, topologySpreadConstraints: [constraint] }
      return api.post(`${at(pods, ns)}?dryRun=All`, pod('p', spec))
    },
  },
  {
    name: 'pods that are refused',
    observe: async ({ api, ns }) => {
      const create = async (spec: Record<string, unknown>): Promise<unknown> =>
        brief(await api.post(`${at(pods, ns)}?dryRun=All`, pod('p', spec)))
      return {
        none: await create({ containers: [] }),
        noImage: await create(one({ image: '' })),
        imageSpaces: await create(one({ image: ' x ' })),
        noName: await create({ containers: [{ image: 'i' }] }),
        twice: await create({
          containers: [
            { name: 'a', image: 'i' },
            { name: 'a', image: 'i' },
          ],
        }),
        badName: await create({ containers: [{ name: 'A_', image: 'i' }] }),
        policy: await create(one({ imagePullPolicy: 'Often' })),
        restart: await create({ restartPolicy: 'Sometimes' }),
        volumeMissing: await create(one({ volumeMounts: [{ name: 'v', mountPath: '/v' }] })),
        volumeTwice: await create({
          volumes: [
            { name: 'v', emptyDir: {} },
            { name: 'v', emptyDir: {} },
          ],
        }),
        volumeTwoSources: await create({ volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/' } }] }),
        hostPath: await create({ volumes: [{ name: 'v', hostPath: { path: '/a/../b' } }] }),
        hostPathType: await create({ volumes: [{ name: 'v', hostPath: { path: '/', type: 'Thing' } }] }),
        hostPathEmpty: await create({ volumes: [{ name: 'v', hostPath: { path: '' } }] }),
        mountPath: await create({
          volumes: [{ name: 'v', emptyDir: {} }],
          ...one({ volumeMounts: [{ name: 'v', mountPath: '' }] }),
        }),
        subPath: await create({
          volumes: [{ name: 'v', emptyDir: {} }],
          ...one({ volumeMounts: [{ name: 'v', mountPath: '/v', subPath: '../x' }] }),
        }),
        mountTwice: await create({
          volumes: [{ name: 'v', emptyDir: {} }],
          ...one({
            volumeMounts: [
              { name: 'v', mountPath: '/v' },
              { name: 'v', mountPath: '/v' },
            ],
          }),
        }),
        secretName: await create({ volumes: [{ name: 'v', secret: {} }] }),
        requestsOverLimits: await create(one({ resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } })),
        quantity: await create(one({ resources: { requests: { cpu: 'much' } } })),
        negative: await create(one({ resources: { requests: { cpu: '-1' } } })),
        toleration: await create({ tolerations: [{ key: 'a', operator: 'Exists', value: 'x' }] }),
        tolerationSeconds: await create({
          tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule', tolerationSeconds: 3 }],
        }),
        tolerationOperator: await create({ tolerations: [{ operator: 'Equal' }] }),
        tolerationEffect: await create({ tolerations: [{ key: 'a', operator: 'Exists', effect: 'Later' }] }),
        selector: await create({ nodeSelector: { 'a b': 'x' } }),
        env: await create(one({ env: [{ name: '', value: 'x' }] })),
        envName: await create(one({ env: [{ name: 'a=b', value: 'x' }] })),
        fieldRef: await create(one({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.secret' } } }] })),
        port: await create(one({ ports: [{ containerPort: 70_000 }] })),
        activeDeadline: await create({ activeDeadlineSeconds: 0 }),
        grace: await create({ terminationGracePeriodSeconds: -1 }),
        privilegedEscalation: await create(
          one({ securityContext: { privileged: true, allowPrivilegeEscalation: false } }),
        ),
        pullSecret: await create({ imagePullSecrets: [{}] }),
        imageVolume: await create({ volumes: [{ name: 'v', image: { reference: '' } }] }),
        nodeName: await create({ nodeName: 'Not_A_Node' }),
        hostname: await create({ hostname: 'a.b' }),
        priority: await create({ priorityClassName: 'no-such-class' }),
      }
    },
  },
  {
    name: 'most of a pod cannot be changed',
    observe: async ({ api, ns, token }) => {
      await api.post(at(pods, ns), pod('p', { nodeName: token, tolerations: [{ key: 'a', operator: 'Exists' }] }))
      await api.post(at(pods, ns), pod('gated', { schedulingGates: [{ name: 'example.com/g' }] }))
      const patch = async (spec: Record<string, unknown>, name = 'p'): Promise<unknown> =>
        brief(await api.patch(at(pods, ns, name), 'strategic', { spec }))
      return {
        image: await patch({ containers: [{ name: 'main', image: 'other' }] }),
        command: await patch({ containers: [{ name: 'main', command: ['x'] }] }),
        another: await patch({ containers: [{ name: 'more', image: 'x' }] }),
        node: await patch({ nodeName: 'elsewhere' }),
        selector: await patch({ nodeSelector: { a: 'b' } }),
        tolerationAdded: await patch({
          tolerations: [
            { key: 'b', operator: 'Exists' },
            { key: 'a', operator: 'Exists' },
            { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
            { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
          ],
        }),
        tolerationsRemoved: await patch({ tolerations: [] }),
        deadline: await patch({ activeDeadlineSeconds: 100 }),
        deadlineLonger: await patch({ activeDeadlineSeconds: 200 }),
        labels: brief(
          await api.patch(at(pods, ns, 'p'), 'merge', {
            metadata: { labels: { a: 'b' }, finalizers: ['example.com/f'] },
          }),
        ),
        gatedSelector: await patch({ nodeSelector: { a: 'b' } }, 'gated'),
        gateAdded: await patch({ schedulingGates: [{ name: 'example.com/more' }] }, 'gated'),
        released: brief(await api.patch(at(pods, ns, 'p'), 'merge', { metadata: { finalizers: null } })),
        generation: dig((await api.get(at(pods, ns, 'p'))).body, 'metadata', 'generation'),
      }
    },
  },
  {
    name: 'the status of a pod is written apart',
    observe: async ({ api, ns, token }) => {
      await api.post(at(pods, ns), pod('p', { nodeName: token }))
      const path = at(pods, ns, 'p')
      const running = {
        state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
        ready: true,
        restartCount: 0,
        image: 'busybox',
        imageID: '',
      }
      const status = {
        phase: 'Running',
        conditions: [{ type: 'Ready', status: 'True' }],
        containerStatuses: [{ name: 'main', ...running }],
      }
      return {
        viaSpec: await api.patch(path, 'merge', { status }),
        viaStatus: await api.patch(`${path}/status`, 'strategic', { status }),
        condition: dig(
          (
            await api.patch(`${path}/status`, 'strategic', {
              status: { conditions: [{ type: 'Initialized', status: 'True' }] },
            })
          ).body,
          'status',
          'conditions',
        ),
        specViaStatus: dig(
          (
            await api.patch(`${path}/status`, 'strategic', {
              spec: { activeDeadlineSeconds: 5 },
              metadata: { labels: { x: 'y' } },
            })
          ).body,
          'metadata',
          'labels',
        ),
        terminal: brief(await api.patch(`${path}/status`, 'merge', { status: { phase: 'Succeeded' } })),
        badPhase: await api.patch(`${path}/status`, 'merge', { status: { phase: 'Dancing' } }),
      }
    },
  },
  {
    name: 'a pod needs its service account',
    observe: async ({ api, ns }) => {
      await api.post(at(accounts, ns), {
        metadata: { name: 'quiet' },
        automountServiceAccountToken: false,
        imagePullSecrets: [{ name: 'pull' }],
      })
      const dry = `${at(pods, ns)}?dryRun=All`
      const spec = async (fields: Record<string, unknown>): Promise<unknown> =>
        (await api.post(dry, pod('p', fields))).body['spec']
      return {
        missing: await api.post(dry, pod('p', { serviceAccountName: 'nobody' })),
        quiet: await spec({ serviceAccountName: 'quiet' }),
        quietButMounted: await spec({ serviceAccountName: 'quiet', automountServiceAccountToken: true }),
        old: await spec({ serviceAccount: 'quiet', automountServiceAccountToken: false }),
        mirror: brief(await api.post(dry, pod('p', {}, { annotations: { 'kubernetes.io/config.mirror': 'x' } }))),
      }
    },
  },
  {
    name: 'pod security: what baseline and restricted refuse, in its words',
    observe: async ({ api, token, until }) => {
      const make = async (level: string): Promise<string> => {
        const name = `${level}-${token}`
        await api.post('/api/v1/namespaces', {
          metadata: {
            name,
            labels: {
              'pod-security.kubernetes.io/enforce': level,
              'pod-security.kubernetes.io/enforce-version': 'latest',
            },
          },
        })
        await until(at(accounts, name, 'default'), ({ status }) => status === 200)
        return name
      }
      const [baseline, restricted] = [await make('baseline'), await make('restricted')]
      const create = async (ns: string, spec: Record<string, unknown>): Promise<unknown> =>
        brief(await api.post(`${at(pods, ns)}?dryRun=All`, pod('p', spec)))
      const worker = {
        ...one({ securityContext: workerSecurity }),
        volumes: [{ name: 'l', hostPath: { path: '/lib' } }],
      }
      const good = {
        ...one({
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
            runAsNonRoot: true,
            seccompProfile: { type: 'RuntimeDefault' },
          },
        }),
      }
      return {
        worker: await create(baseline, worker),
        privileged: await create(baseline, {
          ...one({ securityContext: { privileged: true }, ports: [{ containerPort: 1, hostPort: 1 }] }),
          hostNetwork: true,
          hostPID: true,
        }),
        plain: await create(baseline, {}),
        sysctls: await create(baseline, { securityContext: { sysctls: [{ name: 'kernel.x', value: '1' }] } }),
        procMount: await create(baseline, { hostUsers: false, ...one({ securityContext: { procMount: 'Unmasked' } }) }),
        workerRestricted: await create(restricted, worker),
        plainRestricted: await create(restricted, {}),
        goodRestricted: await create(restricted, good),
        root: await create(restricted, { ...good, securityContext: { runAsUser: 0 } }),
        twoContainers: await create(restricted, {
          containers: [
            { name: 'a', image: 'i' },
            { name: 'b', image: 'i' },
          ],
        }),
      }
    },
  },
  {
    name: 'pod security: warnings, audits and labels that are wrong',
    observe: async ({ api, ns, token }) => {
      const path = at('v1/namespaces', '', ns)
      await api.post(at(pods, ns), pod('old', { hostNetwork: true, nodeName: token }))
      const label = (labels: Record<string, string>, query = ''): Promise<ApiAnswer> =>
        api.patch(`${path}${query}`, 'merge', { metadata: { labels } })
      const prefix = 'pod-security.kubernetes.io/'
      const wrong = await label({ [`${prefix}enforce`]: 'loose' })
      const version = await label({ [`${prefix}enforce-version`]: 'v0' })
      const levels = { [`${prefix}warn`]: 'restricted', [`${prefix}enforce`]: 'baseline' }
      await untilWarned(() => label(levels, '?dryRun=All'))
      const warned = await label(levels)
      const created = await untilWarned(() => api.post(`${at(pods, ns)}?dryRun=All`, pod('p')))
      const template = { metadata: { labels: { a: 'b' } }, spec: pod('x', { hostPID: true })['spec'] }
      const daemon = await api.post(`${at('apps/v1/daemonsets', ns)}?dryRun=All`, {
        metadata: { name: 'd' },
        spec: { selector: { matchLabels: { a: 'b' } }, template },
      })
      return {
        wrong,
        version,
        warned: dig(warned, 'warnings'),
        created: created.warnings,
        daemon: [daemon.status, daemon.warnings],
      }
    },
  },
  {
    name: 'a quota refuses what is over it, and counts',
    observe: async ({ api, ns, until, token }) => {
      const quota = {
        metadata: { name: 'q' },
        spec: { hard: { pods: '1', 'count/configmaps': '3' } },
      }
      const created = await api.post(at('v1/resourcequotas', ns), quota)
      await until(at('v1/resourcequotas', ns, 'q'), ({ body }) => dig(body, 'status', 'used') !== undefined)
      const good = await api.post(at(pods, ns), pod('good', { nodeName: token }))
      const second = await api.post(at(pods, ns), pod('second', { nodeName: token }))
      const status = await until(
        at('v1/resourcequotas', ns, 'q'),
        ({ body }) => dig(body, 'status', 'used', 'pods') === '1',
      )
      const maps = []
      for (const name of ['a', 'b', 'c'])
        maps.push(brief(await api.post(at('v1/configmaps', ns), { metadata: { name } })))
      return { created, good: good.status, second, status: status.body['status'], maps }
    },
  },
  {
    name: 'a limit range defaults and refuses',
    observe: async ({ api, ns }) => {
      const limits = [{ type: 'Container', default: { cpu: '1' }, defaultRequest: { cpu: '100m' }, max: { cpu: '2' } }]
      const created = await api.post(at('v1/limitranges', ns), { metadata: { name: 'l' }, spec: { limits } })
      const defaulted = await api.post(`${at(pods, ns)}?dryRun=All`, pod('p'))
      const over = await api.post(`${at(pods, ns)}?dryRun=All`, pod('p', one({ resources: { limits: { cpu: '3' } } })))
      return { created, defaulted: dig(defaulted.body, 'spec', 'containers'), over }
    },
  },
  {
    name: 'bindings, evictions and logs of a pod',
    observe: async ({ api, ns, token }) => {
      await api.post(at(pods, ns), pod('p', { schedulerName: 'nobody' }))
      const bind = (): Promise<unknown> =>
        api.post(at(pods, ns, 'p', 'binding'), {
          apiVersion: 'v1',
          kind: 'Binding',
          metadata: { name: 'p' },
          target: { kind: 'Node', name: token },
        })
      const noLog = await api.get(at(pods, ns, 'p', 'log'))
      const bound = await bind()
      const read = await api.get(at(pods, ns, 'p'))
      const twice = await bind()
      const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p', namespace: ns } }
      const evicted = await api.post(at(pods, ns, 'p', 'eviction'), eviction)
      return {
        noLog,
        bound,
        status: read.body['status'],
        twice,
        evicted,
        deleted: dig((await api.get(at(pods, ns, 'p'))).body, 'metadata', 'deletionGracePeriodSeconds'),
        evictAbsent: await api.post(at(pods, ns, 'absent', 'eviction'), { ...eviction, metadata: { name: 'absent' } }),
        logOfAbsent: await api.get(at(pods, ns, 'absent', 'log')),
        logContainer: await api.get(`${at(pods, ns, 'p', 'log')}?container=other`),
      }
    },
  },
]
