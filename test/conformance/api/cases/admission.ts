import type { ApiAnswer, Body } from '../client.ts'
import type { ApiCase, ApiContext } from '../context.ts'
import { at, brief, configMap, configMaps, dig, module, modules } from '../objects.ts'
import { startWebhookServer, type WebhookReply, type WebhookServer } from '../webhook-server.ts'

type Fields = Record<string, unknown>

const configurations = 'admissionregistration.k8s.io/v1/validatingwebhookconfigurations'
const rule = {
  apiGroups: [''],
  apiVersions: ['v1'],
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  resources: ['configmaps'],
}

const respond = (review: Body, response: Fields): WebhookReply => ({
  body: {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid: dig(review, 'request', 'uid'), ...response },
  },
})
const nameIn = (review: Body): string => String(dig(review, 'request', 'name'))

/** One webhook for the case's namespace. */
const hook = ({ ns }: ApiContext, { url, caBundle }: WebhookServer, more: Fields = {}): Fields => ({
  name: 'hook.example.com',
  admissionReviewVersions: ['v1'],
  sideEffects: 'None',
  clientConfig: { url: `${url}/validate`, caBundle },
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': ns } },
  rules: [rule],
  ...more,
})

/** Registers webhooks, waits until they are called, and takes them away afterwards. */
async function withWebhooks(context: ApiContext, webhooks: Fields[], use: () => Promise<unknown>): Promise<unknown> {
  const { api, token, ns } = context
  const made = await api.post(at(configurations), { metadata: { name: token }, webhooks })
  if (made.status !== 201) return made
  for (let tries = 0; tries < 100; tries++) {
    const probe = await api.post(`${at(configMaps, ns)}?dryRun=All`, configMap('probe', { labels: { probe: 'yes' } }))
    if (probe.status !== 201) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const result = await use()
  await api.delete(at(configurations, '', token))
  return result
}

/** Without what differs from server to server in an address. */
const anonymous = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value ?? null)
      .replaceAll(/127\.0\.0\.1:\d+/g, '<webhook>')
      .replaceAll(/LS0t[\w=+/]+/g, '<certificate>'),
  )

/** Users differ from cluster to cluster. */
function withoutUser(review: Body): unknown {
  const { userInfo: _user, ...request } = review['request'] as Fields
  return { ...review, request }
}

/** Validating webhooks and conversion between versions. */
export const admissionCases: readonly ApiCase[] = [
  {
    name: 'a validating webhook allows, refuses and warns',
    observe: async (context) => {
      const { api, ns } = context
      const server = await startWebhookServer((review) => {
        const name = nameIn(review)
        if (name === 'good') return respond(review, { allowed: true, warnings: ['think twice'] })
        if (name === 'coded')
          return respond(review, { allowed: false, status: { code: 418, reason: 'Teapot', message: 'not this' } })
        if (name === 'bare') return respond(review, { allowed: false })
        return respond(review, { allowed: false, status: { message: `no ${name}` } })
      })
      const result = await withWebhooks(context, [hook(context, server)], async () => ({
        good: await api.post(at(configMaps, ns), configMap('good')),
        refused: await api.post(at(configMaps, ns), configMap('refused')),
        coded: await api.post(at(configMaps, ns), configMap('coded')),
        bare: await api.post(at(configMaps, ns), configMap('bare')),
        update: await api.patch(at(configMaps, ns, 'good'), 'merge', { data: { z: '1' } }),
        remove: await api.delete(at(configMaps, ns, 'good')),
        elsewhere: brief(await api.post(`${at(configMaps, 'default')}?dryRun=All`, configMap(`x-${ns}`))),
      }))
      await server.stop()
      const asked = server.reviews.filter((review) => nameIn(review) === 'good').map(withoutUser)
      return anonymous({ result, asked })
    },
  },
  {
    name: 'a webhook that does not answer: Fail and Ignore, in words',
    observe: async (context) => {
      const { api, ns } = context
      const server = await startWebhookServer((review) => {
        const name = nameIn(review)
        if (name === 'probe') return respond(review, { allowed: false })
        if (name === 'error') return { status: 500 }
        if (name === 'nonsense') return { body: { nonsense: true } }
        if (name === 'uid') return respond(review, { uid: 'other', allowed: true })
        return 'silence'
      })
      const create = async (name: string): Promise<unknown> =>
        brief(await api.post(at(configMaps, ns), configMap(name)))
      const failing = await withWebhooks(context, [hook(context, server, { timeoutSeconds: 1 })], async () => ({
        error: await create('error'),
        nonsense: await create('nonsense'),
        uid: await create('uid'),
        silence: await create('silence'),
      }))
      const ignoring = await withWebhooks(
        context,
        [hook(context, server, { timeoutSeconds: 1, failurePolicy: 'Ignore' })],
        async () => ({
          error: await create('error'),
          silence: await create('silence'),
        }),
      )
      await server.stop()
      const gone = await withWebhooks(context, [hook(context, server)], async () => {
        const answer = await api.post(at(configMaps, ns), configMap('refused'))
        return [answer.status, dig(answer.body, 'reason')]
      })
      return anonymous({ failing, ignoring, gone })
    },
  },
  {
    name: 'webhooks are called by rules, conditions and selectors',
    observe: async (context) => {
      const { api, ns } = context
      const server = await startWebhookServer((review) =>
        respond(review, { allowed: nameIn(review) !== 'probe', status: { message: 'probe' } }),
      )
      const condition = {
        name: 'not-mine',
        expression: "!(has(object.metadata.labels) && 'mine' in object.metadata.labels)",
      }
      const webhooks = [
        hook(context, server, {
          rules: [{ ...rule, operations: ['CREATE'] }],
          matchConditions: [condition],
          objectSelector: { matchExpressions: [{ key: 'skip', operator: 'DoesNotExist' }] },
        }),
        hook(context, server, {
          name: 'modules.example.com',
          clientConfig: { url: `${server.url}/modules`, caBundle: server.caBundle },
          rules: [
            {
              apiGroups: ['kmm.sigs.x-k8s.io'],
              apiVersions: ['v1beta1'],
              operations: ['*'],
              resources: ['modules', 'modules/status'],
              scope: 'Namespaced',
            },
          ],
        }),
      ]
      const answers = await withWebhooks(context, webhooks, async () => {
        await api.post(at(configMaps, ns), configMap('called'))
        await api.post(at(configMaps, ns), configMap('mine', { labels: { mine: '1' } }))
        await api.post(at(configMaps, ns), configMap('skipped', { labels: { skip: '1' } }))
        await api.patch(at(configMaps, ns, 'called'), 'merge', { data: { z: '1' } })
        await api.post(at(modules, ns), module('m'))
        await api.patch(at(modules, ns, 'm', 'status'), 'merge', { status: { moduleLoader: { desiredNumber: 1 } } })
        await api.patch(at(modules, ns, 'm'), 'merge', { metadata: { labels: { a: 'b' } } })
        await api.delete(at(modules, ns, 'm'))
        return 'done'
      })
      await server.stop()
      const asked = server.reviews
        .filter((review) => nameIn(review) !== 'probe')
        .map((review) => {
          const { kind, resource, subResource, name, operation, requestKind, dryRun, options } = review[
            'request'
          ] as Fields
          return {
            kind,
            resource,
            subResource,
            name,
            operation,
            requestKind,
            dryRun,
            options,
            object: dig(review, 'request', 'object', 'kind'),
            old: dig(review, 'request', 'oldObject', 'kind'),
          }
        })
      return { answers, asked }
    },
  },
  {
    name: 'a mutation by webhook changes what is stored',
    observe: async (context) => {
      const { api, ns, token } = context
      const server = await startWebhookServer((review) => {
        if (nameIn(review) === 'probe') return respond(review, { allowed: false })
        const patch = [{ op: 'add', path: '/data/added', value: 'yes' }]
        return respond(review, {
          allowed: true,
          patchType: 'JSONPatch',
          patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
        })
      })
      const path = 'admissionregistration.k8s.io/v1/mutatingwebhookconfigurations'
      const made = await api.post(at(path), { metadata: { name: token }, webhooks: [hook(context, server)] })
      let created: ApiAnswer = made
      if (made.status === 201) {
        for (let tries = 0; tries < 100; tries++) {
          const probe = await api.post(`${at(configMaps, ns)}?dryRun=All`, configMap('probe'))
          if (probe.status !== 201) break
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        created = await api.post(at(configMaps, ns), configMap('c'))
        await api.delete(at(path, '', token))
      }
      await server.stop()
      return anonymous({ made: brief(made), created })
    },
  },
  {
    name: 'webhook configurations are defaulted and checked',
    observe: async (context) => {
      const { api, token } = context
      const fake = {
        url: 'https://127.0.0.1:1',
        caBundle: Buffer.from('x').toString('base64'),
        reviews: [],
        stop: async () => undefined,
      }
      const create = async (more: Fields): Promise<unknown> =>
        api.post(`${at(configurations)}?dryRun=All`, {
          metadata: { name: token },
          webhooks: [
            hook(context, fake, { caBundle: undefined, clientConfig: { url: 'https://127.0.0.1:1/x' }, ...more }),
          ],
        })
      return {
        defaulted: await create({}),
        service: await create({ clientConfig: { service: { namespace: 'n', name: 's' } } }),
        name: await create({ name: 'hook' }),
        sideEffects: await create({ sideEffects: undefined }),
        versions: await create({ admissionReviewVersions: [] }),
        versionUnknown: await create({ admissionReviewVersions: ['v9'] }),
        timeout: await create({ timeoutSeconds: 60 }),
        policy: await create({ failurePolicy: 'Sometimes' }),
        http: await create({ clientConfig: { url: 'http://127.0.0.1:1' } }),
        both: await create({ clientConfig: { url: 'https://127.0.0.1:1', service: { namespace: 'n', name: 's' } } }),
        none: await create({ clientConfig: {} }),
        ca: await create({ clientConfig: { url: 'https://127.0.0.1:1', caBundle: 'bm90IGEgY2VydA==' } }),
        operations: await create({ rules: [{ ...rule, operations: ['MAKE'] }] }),
        condition: await create({ matchConditions: [{ name: 'c', expression: 'object.' }] }),
        conditionType: await create({ matchConditions: [{ name: 'c', expression: '1' }] }),
      }
    },
  },
]
