import type { ApiAnswer, Body } from '../client.ts'
import type { ApiCase, ApiContext } from '../context.ts'
import { at, brief, changed, definition, definitions, dig, gadget, gadgetsOf } from '../objects.ts'
import { startWebhookServer, type WebhookReply, type WebhookServer } from '../webhook-server.ts'

type Fields = Record<string, unknown>

/** Without what differs from server to server in an address. */
const anonymous = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value ?? null)
      .replaceAll(/127\.0\.0\.1:\d+/g, '<webhook>')
      .replaceAll(/LS0t[\w=+/]+/g, '<certificate>'),
  )

/** Two versions, of which the first is stored; v1 has `spec.one` where v2 has `spec.two`. */
const gadgetDefinition = (token: string, { url, caBundle }: WebhookServer, conversion: Fields = {}): Body =>
  definition({
    token,
    schema: {},
    spec: {
      versions: ['v1', 'v2'].map((name) => ({
        name,
        served: true,
        storage: name === 'v1',
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: {
                  [name === 'v1' ? 'one' : 'two']: { type: 'string' },
                  fixed: { type: 'string', default: name },
                },
              },
              status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
        },
        additionalPrinterColumns: [
          { name: 'Value', type: 'string', jsonPath: name === 'v1' ? '.spec.one' : '.spec.two' },
        ],
        selectableFields: [{ jsonPath: name === 'v1' ? '.spec.one' : '.spec.two' }],
      })),
      conversion: {
        strategy: 'Webhook',
        webhook: { clientConfig: { url: `${url}/convert`, caBundle }, conversionReviewVersions: ['v1'] },
        ...conversion,
      },
    },
  })

interface Request {
  uid: string
  desiredAPIVersion: string
  objects: Body[]
}

const requestOf = (review: Body): Request => review['request'] as unknown as Request

const respond = (review: Body, response: Fields): WebhookReply => ({
  body: {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'ConversionReview',
    response: { uid: requestOf(review).uid, ...response },
  },
})

/** Renames spec.one to spec.two and back, and adds a label, an annotation and a field that no version knows. */
function convertObject(object: Body, apiVersion: string): Body {
  const spec = (object['spec'] ?? {}) as Fields
  const { one, two, ...others } = spec
  const field = apiVersion.endsWith('v2') ? 'two' : 'one'
  const version = field === 'two' ? 'v2' : 'v1'
  const metadata = { labels: { shown: version }, annotations: { shown: version }, finalizers: ['example.com/ignored'] }
  return { ...changed(object, { apiVersion, metadata }), spec: { ...others, [field]: one ?? two, surprise: true } }
}

const convertAll = (review: Body): Body[] => {
  const { objects, desiredAPIVersion } = requestOf(review)
  return objects.map((object) => convertObject(object, desiredAPIVersion))
}

const success = { status: 'Success' }

/** Ways to answer that are wrong, by the name of the object. */
const wrongAnswers: Readonly<Record<string, (review: Body, converted: Body) => WebhookReply>> = {
  failure: (review) =>
    respond(review, { result: { status: 'Failure', message: 'no such gadget' }, convertedObjects: [] }),
  'failure-silent': (review) => respond(review, { result: { status: 'Failure' } }),
  'no-result': (review, converted) => respond(review, { convertedObjects: [converted] }),
  'other-uid': (review, converted) => respond(review, { uid: 'other', result: success, convertedObjects: [converted] }),
  'no-response': () => ({ body: { apiVersion: 'apiextensions.k8s.io/v1', kind: 'ConversionReview' } }),
  'older-review': (review, converted) => ({
    body: {
      apiVersion: 'apiextensions.k8s.io/v1beta1',
      kind: 'ConversionReview',
      response: { uid: requestOf(review).uid, result: success, convertedObjects: [converted] },
    },
  }),
  'other-review': (review) => ({
    body: {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: requestOf(review).uid, allowed: true },
    },
  }),
  'no-type': (review, converted) => ({
    body: { response: { uid: requestOf(review).uid, result: success, convertedObjects: [converted] } },
  }),
  status: () => ({ status: 500 }),
  'no-object': (review) => respond(review, { result: success, convertedObjects: [] }),
  'no-objects': (review) => respond(review, { result: success }),
  'two-objects': (review, converted) => respond(review, { result: success, convertedObjects: [converted, converted] }),
  'other-version': (review, converted) =>
    respond(review, { result: success, convertedObjects: [{ ...converted, apiVersion: 'example.com/v3' }] }),
  'other-kind': (review, converted) =>
    respond(review, { result: success, convertedObjects: [{ ...converted, kind: 'Other' }] }),
  'other-name': (review, converted) =>
    respond(review, { result: success, convertedObjects: [changed(converted, { metadata: { name: 'x' } })] }),
  'other-namespace': (review, converted) =>
    respond(review, { result: success, convertedObjects: [changed(converted, { metadata: { namespace: 'x' } })] }),
  'other-object': (review, converted) =>
    respond(review, { result: success, convertedObjects: [changed(converted, { metadata: { uid: 'x' } })] }),
  'no-metadata': (review, converted) =>
    respond(review, { result: success, convertedObjects: [changed(converted, { metadata: undefined })] }),
  'label-number': (review, converted) =>
    respond(review, { result: success, convertedObjects: [changed(converted, { metadata: { labels: { a: 1 } } })] }),
  'label-wrong': (review, converted) =>
    respond(review, { result: success, convertedObjects: [changed(converted, { metadata: { labels: { a: '-' } } })] }),
  'annotation-wrong': (review, converted) =>
    respond(review, {
      result: success,
      convertedObjects: [changed(converted, { metadata: { annotations: { 'a b': '' } } })],
    }),
  'labels-list': (review, converted) =>
    respond(review, { result: success, convertedObjects: [changed(converted, { metadata: { labels: ['a'] } })] }),
  'labels-null': (review, converted) =>
    respond(review, { result: success, convertedObjects: [changed(converted, { metadata: { labels: null } })] }),
  'null-object': (review) => respond(review, { result: success, convertedObjects: [null] }),
  'wrong-field': (review, converted) =>
    respond(review, { result: success, convertedObjects: [changed(converted, { spec: { two: 3 } })] }),
}

/** A webhook that converts, but for the objects that are named after a wrong answer; it also admits everything. */
function answerReview(review: Body): WebhookReply {
  if (review['kind'] === 'AdmissionReview')
    return { body: { ...review, request: undefined, response: { uid: requestOf(review).uid, allowed: true } } }
  const converted = convertAll(review)
  const wrong = requestOf(review).objects.map(({ metadata }) => wrongAnswers[String(metadata?.['name'])])
  const index = wrong.findIndex((each) => each !== undefined)
  const reply = wrong[index]
  if (reply !== undefined && requestOf(review).desiredAPIVersion.endsWith('v2'))
    return reply(review, converted[index] as Body)
  return respond(review, { result: success, convertedObjects: converted })
}

/** Defines gadgets that a webhook converts, and takes them away afterwards. */
async function withGadgets(
  { api, ns, token, until }: ApiContext,
  use: (paths: { v1: string; v2: string; server: WebhookServer }) => Promise<unknown>,
): Promise<unknown> {
  const server = await startWebhookServer(answerReview)
  const made = await api.post(at(definitions), gadgetDefinition(token, server))
  const [v1, v2] = [at(gadgetsOf(token), ns), at(gadgetsOf(token, 'v2'), ns)]
  if (made.status !== 201) return made
  for (const path of [v1, v2]) await until(path, ({ status }) => status === 200)
  const result = await use({ v1, v2, server })
  await api.delete(at(definitions, '', `gadgets.${token}.example.com`))
  await server.stop()
  return anonymous(result)
}

const spoken = ({ status, body }: ApiAnswer): unknown => ({ status, message: dig(body, 'message') })

/** How a version shows an object, without the fields that are the same in both. */
const shown = (body: unknown): unknown => ({
  apiVersion: dig(body, 'apiVersion'),
  labels: dig(body, 'metadata', 'labels'),
  annotations: dig(body, 'metadata', 'annotations'),
  finalizers: dig(body, 'metadata', 'finalizers'),
  generation: dig(body, 'metadata', 'generation'),
  spec: dig(body, 'spec'),
  status: dig(body, 'status'),
})

/** Conversions by webhooks. */
export const conversionCases: readonly ApiCase[] = [
  {
    name: 'an object is written and read in both versions',
    observe: (context) =>
      withGadgets(context, async ({ v1, v2, server }) => {
        const { api, token } = context
        const created = await api.post(v2, gadget(token, 'a', { spec: { two: 'x' } }, 'v2'))
        const older = await api.get(`${v1}/a`)
        const status = await api.patch(`${v2}/a/status`, 'merge', { status: { ready: true } })
        const olderStatus = await api.patch(`${v1}/a/status`, 'merge', { status: { seen: 1 } })
        const renamed = await api.patch(`${v2}/a`, 'json', [{ op: 'replace', path: '/spec/two', value: 'y' }])
        const replaced = await api.put(`${v1}/a`, changed((await api.get(`${v1}/a`)).body, { spec: { one: 'z' } }))
        const same = await api.put(`${v2}/a`, (await api.get(`${v2}/a`)).body)
        const dry = await api.send('POST', `${v2}?dryRun=All`, {
          body: gadget(token, 'b', { spec: { two: 'x' } }, 'v2'),
        })
        const table = await api.get(v2, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })
        const partial = await api.get(v2, {
          accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
        })
        const deleted = await api.delete(`${v2}/a`)
        return {
          created: shown(created.body),
          older: shown(older.body),
          status: shown(status.body),
          olderStatus: shown(olderStatus.body),
          renamed: shown(renamed.body),
          replaced: shown(replaced.body),
          same: shown(same.body),
          isSame: dig(same.body, 'metadata', 'resourceVersion') === dig(replaced.body, 'metadata', 'resourceVersion'),
          dry: [dry.status, shown(dry.body)],
          cells: (dig(table.body, 'rows') as unknown[]).map((row) => (dig(row, 'cells') as unknown[]).slice(0, 2)),
          partial: (dig(partial.body, 'items') as unknown[]).map((item) => shown(item)),
          deleted: brief(deleted),
          review: server.reviews[0],
          sizes: [...new Set(server.reviews.map((review) => requestOf(review).objects.length))],
        }
      }),
  },
  {
    name: 'lists and watches show objects in their version',
    observe: (context) =>
      withGadgets(context, async ({ v1, v2 }) => {
        const { api, token } = context
        for (const name of ['a', 'b', 'c']) await api.post(v1, gadget(token, name, { spec: { one: name } }))
        await api.post(v2, gadget(token, 'd', { spec: { two: 'd' } }, 'v2'))
        const list = await api.get(v2)
        const limited = await api.get(`${v2}?limit=2`)
        const rest = await api.get(`${v2}?limit=2&continue=${String(dig(limited.body, 'metadata', 'continue'))}`)
        const selected = await api.get(`${v2}?fieldSelector=spec.two%3Db`)
        const labelled = await api.get(`${v2}?labelSelector=shown%3Dv2`)
        const unlabelled = await api.get(`${v1}?labelSelector=shown%3Dv2`)
        const version = String(dig(list.body, 'metadata', 'resourceVersion'))
        await api.patch(`${v1}/a`, 'merge', { spec: { one: 'e' } })
        await api.delete(`${v1}/b`)
        await api.post(v2, gadget(token, 'f', { spec: { two: 'f' } }, 'v2'))
        const names = (answer: ApiAnswer): unknown =>
          (dig(answer.body, 'items') as Body[]).map((item) => item.metadata?.['name'])
        const watched = await api.watch(`${v2}?watch=true&resourceVersion=${version}`, (all) => all.length === 3)
        const initial = await api.watch(`${v2}?watch=true`, (all) => all.length === 4)
        const event = ({ type, object }: { type: string; object: Body }): unknown => [
          type,
          object.metadata?.['name'],
          shown(object),
        ]
        return {
          list: (dig(list.body, 'items') as unknown[]).map((item) => shown(item)),
          kind: [dig(list.body, 'kind'), dig(list.body, 'apiVersion')],
          pages: [names(limited), names(rest)],
          selected: names(selected),
          labelled: names(labelled),
          unlabelled: names(unlabelled),
          watched: watched.map(event),
          initial: initial.map(event),
        }
      }),
  },
  {
    name: 'what a webhook may not answer',
    observe: (context) =>
      withGadgets(context, async ({ v1, v2 }) => {
        const { api, token } = context
        const result: Fields = {}
        for (const name of Object.keys(wrongAnswers)) {
          await api.post(v1, gadget(token, name, { spec: { one: name } }))
          const read = await api.get(`${v2}/${name}`)
          result[name] = read.status === 200 ? shown(read.body) : spoken(read)
        }
        const deleted = await api.delete(`${v2}/failure`)
        return { ...result, deleted: spoken(deleted) }
      }),
  },
  {
    name: 'an object that cannot be converted spoils its lists',
    observe: (context) =>
      withGadgets(context, async ({ v1, v2 }) => {
        const { api, token } = context
        await api.post(v1, gadget(token, 'a', { spec: { one: 'a' } }))
        await api.post(v1, gadget(token, 'failure', { spec: { one: 'a' } }))
        const list = await api.get(v2)
        const listStored = await api.get(v1)
        return { list: spoken(list), stored: (dig(listStored.body, 'items') as unknown[]).length }
      }),
  },
  {
    name: 'a webhook for one version judges writes in the other',
    observe: (context) =>
      withGadgets(context, async ({ v1, server }) => {
        const { api, token, until } = context
        const clientConfig = { url: `${server.url}/validate`, caBundle: server.caBundle }
        const makeHook = (name: string, matchPolicy: string, apiVersions: string[]): Fields => ({
          name: `${name}.example.com`,
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          clientConfig,
          matchPolicy,
          rules: [
            {
              apiGroups: [`${token}.example.com`],
              apiVersions,
              operations: ['*'],
              resources: ['gadgets', 'gadgets/status'],
            },
          ],
        })
        const admissions = (): Body[] => server.reviews.filter(({ kind }) => kind === 'AdmissionReview')
        const webhooks = [
          makeHook('equivalent', 'Equivalent', ['v2']),
          makeHook('exact', 'Exact', ['v2']),
          makeHook('neither', 'Equivalent', ['v3']),
        ]
        const path = at('admissionregistration.k8s.io/v1/validatingwebhookconfigurations')
        await api.post(path, { metadata: { name: token }, webhooks })
        const probe = gadget(token, 'probe', { spec: { one: 'p' } })
        // Until the configuration has reached the admission of the server.
        for (let tries = 0; tries < 200 && admissions().length === 0; tries++) {
          await api.send('POST', `${v1}?dryRun=All`, { body: probe })
          await until(v1, ({ status }) => status === 200)
        }
        const before = admissions().length
        await api.post(v1, gadget(token, 'a', { spec: { one: 'x' } }))
        await api.patch(`${v1}/a/status`, 'merge', { status: { ready: true } })
        await api.delete(`${v1}/a`)
        const spoilt = await api.post(v1, gadget(token, 'failure', { spec: { one: 'x' } }))
        await api.delete(`${path}/${token}`)
        const seen = (review: Body): unknown => {
          const { kind, resource, requestKind, requestResource, subResource, requestSubResource, operation } = review[
            'request'
          ] as Fields
          const objects = ['object', 'oldObject'].map((field) => {
            const object = dig(review, 'request', field)
            return object === null ? null : [shown(object), typeof dig(object, 'metadata', 'resourceVersion')]
          })
          return { kind, resource, requestKind, requestResource, subResource, requestSubResource, operation, objects }
        }
        return { seen: admissions().slice(before).map(seen), spoilt: spoken(spoilt) }
      }),
  },
  {
    name: 'how a conversion is configured',
    observe: async ({ api, token }) => {
      const fake = {
        url: 'https://127.0.0.1:1',
        caBundle: Buffer.from('x').toString('base64'),
        reviews: [],
        stop: async () => undefined,
      }
      const create = async (conversion: Fields): Promise<unknown> => {
        const answer = await api.post(`${at(definitions)}?dryRun=All`, gadgetDefinition(token, fake, conversion))
        return answer.status < 300 ? dig(answer.body, 'spec', 'conversion') : answer
      }
      const url = 'https://127.0.0.1:1/convert'
      const webhook = (more: Fields): Fields => ({
        webhook: { clientConfig: { url }, conversionReviewVersions: ['v1'], ...more },
      })
      return anonymous({
        plain: await create(webhook({})),
        service: await create(webhook({ clientConfig: { service: { namespace: 'n', name: 's' } } })),
        serviceAll: await create(
          webhook({ clientConfig: { service: { namespace: 'n', name: 's', path: '/x', port: 5 } } }),
        ),
        none: await create({ strategy: 'None', webhook: undefined }),
        noneWithWebhook: await create({ strategy: 'None' }),
        unknown: await create({ strategy: 'Magic', webhook: undefined }),
        noWebhook: await create({ webhook: undefined }),
        noClient: await create(webhook({ clientConfig: undefined })),
        emptyClient: await create(webhook({ clientConfig: {} })),
        both: await create(webhook({ clientConfig: { url, service: { namespace: 'n', name: 's' } } })),
        http: await create(webhook({ clientConfig: { url: 'http://127.0.0.1:1/x' } })),
        noHost: await create(webhook({ clientConfig: { url: 'https:///x' } })),
        query: await create(webhook({ clientConfig: { url: `${url}?a=b` } })),
        noVersions: await create(webhook({ conversionReviewVersions: undefined })),
        emptyVersions: await create(webhook({ conversionReviewVersions: [] })),
        unknownVersions: await create(webhook({ conversionReviewVersions: ['v9'] })),
        someVersions: await create(webhook({ conversionReviewVersions: ['v9', 'v1beta1'] })),
        twice: await create(webhook({ conversionReviewVersions: ['v1', 'v1'] })),
        noLabel: await create(webhook({ conversionReviewVersions: ['V 1'] })),
        ca: await create(webhook({ clientConfig: { url, caBundle: 'bm90IGEgY2VydA==' } })),
        path: await create(webhook({ clientConfig: { service: { namespace: 'n', name: 's', path: 'x//y' } } })),
        serviceNameless: await create(webhook({ clientConfig: { service: { namespace: '', name: '' } } })),
        port: await create(webhook({ clientConfig: { service: { namespace: 'n', name: 's', port: 0 } } })),
      })
    },
  },
]
