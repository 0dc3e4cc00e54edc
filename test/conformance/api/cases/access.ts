import type { ApiCase } from '../context.ts'
import { at, brief, changed, configMap, configMaps, dig, leases, metaOf, modules } from '../objects.ts'

const reviews = '/apis/authorization.k8s.io/v1'
const tokens = '/apis/authentication.k8s.io/v1'
const review = (kind: string, spec: unknown): unknown => ({ apiVersion: 'authorization.k8s.io/v1', kind, spec })
const tokenReview = (spec: unknown): unknown => ({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec })

/** Who may do what, tokens, Leases and Events. */
export const accessCases: readonly ApiCase[] = [
  {
    name: 'requests without, with wrong and with powerless credentials',
    observe: async ({ api, ns }) => {
      const made = await api.post(at('v1/serviceaccounts', ns, 'default', 'token'), { spec: {} })
      const token = String(dig(made.body, 'status', 'token'))
      return {
        wrong: await api.get(at(configMaps, ns), { token: 'wrong' }),
        anonymous: await api.get(at(configMaps, ns), { token: '' }),
        version: (await api.get('/version', { token: '' })).status,
        ready: (await api.get('/readyz', { token: '' })).status,
        powerless: await api.get(at(configMaps, ns), { token }),
        powerlessCreate: await api.post(at(modules, ns), { metadata: { name: 'x' } }, { token }),
        powerlessNamed: await api.send('DELETE', at(modules, ns, 'x'), { token }),
        powerlessStatus: await api.send('PATCH', at(modules, ns, 'x', 'status'), {
          token,
          body: {},
          type: 'application/merge-patch+json',
        }),
        powerlessCluster: await api.get('/api/v1/nodes/n', { token }),
        powerlessPath: await api.get('/metrics', { token }),
      }
    },
  },
  {
    name: 'a token of a service account is made and reviewed',
    observe: async ({ api, ns }) => {
      const path = at('v1/serviceaccounts', ns, 'default', 'token')
      const body = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences: ['me'], expirationSeconds: 3_600 },
      }
      const made = await api.post(path, body)
      const token = String(dig(made.body, 'status', 'token'))
      const own = await api.post(path, { spec: {} })
      const reviewed = await api.post(
        `${tokens}/tokenreviews`,
        tokenReview({ token: dig(own.body, 'status', 'token') }),
      )
      const self = await api.post(
        `${tokens}/selfsubjectreviews`,
        { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
        { token: String(dig(own.body, 'status', 'token')) },
      )
      const forAudience = await api.post(`${tokens}/tokenreviews`, tokenReview({ token, audiences: ['me'] }))
      return {
        made: [
          made.status,
          made.body['kind'],
          dig(made.body, 'spec', 'audiences'),
          dig(made.body, 'spec', 'expirationSeconds'),
        ],
        short: await api.post(path, { spec: { expirationSeconds: 5 } }),
        absent: await api.post(at('v1/serviceaccounts', ns, 'nobody', 'token'), { spec: {} }),
        reviewed: ['authenticated', 'audiences'].map((each) => dig(reviewed.body, 'status', each)),
        user: [dig(reviewed.body, 'status', 'user', 'username'), dig(reviewed.body, 'status', 'user', 'groups')],
        self: [
          self.status,
          dig(self.body, 'status', 'userInfo', 'username'),
          dig(self.body, 'status', 'userInfo', 'groups'),
        ],
        otherAudience: (await api.get(at(configMaps, ns), { token })).status,
        forAudience: dig(forAudience.body, 'status', 'authenticated'),
        nonsense: await api.post(`${tokens}/tokenreviews`, tokenReview({ token: 'nonsense' })),
        empty: await api.post(`${tokens}/tokenreviews`, tokenReview({})),
      }
    },
  },
  {
    name: 'what an administrator may do, and what others may',
    observe: async ({ api, ns, until }) => {
      const attributes = { namespace: ns, verb: 'create', group: 'kmm.sigs.x-k8s.io', resource: 'modules' }
      const self = (spec: unknown): Promise<unknown> =>
        api.post(`${reviews}/selfsubjectaccessreviews`, review('SelfSubjectAccessReview', spec))
      const other = (spec: unknown): Promise<{ body: unknown }> =>
        api.post(`${reviews}/subjectaccessreviews`, review('SubjectAccessReview', spec))
      const user = `system:serviceaccount:${ns}:default`
      const before = await other({ resourceAttributes: attributes, user })
      const rules = [{ apiGroups: [attributes.group], resources: ['modules'], verbs: ['create'] }]
      await api.post(at('rbac.authorization.k8s.io/v1/roles', ns), { metadata: { name: 'r' }, rules })
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' }
      await api.post(at('rbac.authorization.k8s.io/v1/rolebindings', ns), {
        metadata: { name: 'b' },
        roleRef,
        subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: ns }],
      })
      let after = await other({ resourceAttributes: attributes, user })
      for (let tries = 0; tries < 40 && dig(after.body, 'status', 'allowed') !== true; tries++) {
        await until(at(configMaps, ns), () => true)
        after = await other({ resourceAttributes: attributes, user })
      }
      return {
        self: await self({ resourceAttributes: attributes }),
        path: await self({ nonResourceAttributes: { path: '/metrics', verb: 'get' } }),
        none: await self({}),
        before: dig(before.body, 'status'),
        after: dig(after.body, 'status', 'allowed'),
        nobody: await other({ resourceAttributes: attributes }),
        rules: (
          await api.post(`${reviews}/selfsubjectrulesreviews`, review('SelfSubjectRulesReview', { namespace: ns }))
        ).status,
      }
    },
  },
  {
    name: 'an administrator acts as somebody else',
    observe: async ({ api, ns }) => {
      const headers = { 'Impersonate-User': 'somebody', 'Impersonate-Group': 'people' }
      return {
        refused: await api.get(at(configMaps, ns), { headers }),
        master: (await api.get(at(configMaps, ns), { headers: { ...headers, 'Impersonate-Group': 'system:masters' } }))
          .status,
        groupAlone: await api.get(at(configMaps, ns), { headers: { 'Impersonate-Group': 'people' } }),
      }
    },
  },
  {
    name: 'roles and bindings are checked',
    observe: async ({ api, ns }) => {
      const roles = at('rbac.authorization.k8s.io/v1/roles', ns)
      const bindings = at('rbac.authorization.k8s.io/v1/rolebindings', ns)
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' }
      await api.post(bindings, { metadata: { name: 'b' }, roleRef, subjects: [{ kind: 'User', name: 'u' }] })
      return {
        noVerbs: await api.post(roles, { metadata: { name: 'r' }, rules: [{ apiGroups: [''], resources: ['pods'] }] }),
        noResources: await api.post(roles, { metadata: { name: 'r' }, rules: [{ verbs: ['get'] }] }),
        colon: brief(await api.post(roles, { metadata: { name: 'a:b' }, rules: [] })),
        slash: await api.post(roles, { metadata: { name: 'a/b' }, rules: [] }),
        binding: await api.get(`${bindings}/b`),
        roleRef: await api.patch(`${bindings}/b`, 'merge', { roleRef: { name: 'other' } }),
        noRef: await api.post(bindings, { metadata: { name: 'c' } }),
        subject: await api.post(bindings, {
          metadata: { name: 'c' },
          roleRef,
          subjects: [{ kind: 'Robot', name: 'r' }],
        }),
        accountNoNamespace: await api.post(bindings, {
          metadata: { name: 'c' },
          roleRef,
          subjects: [{ kind: 'ServiceAccount', name: 'r' }],
        }),
      }
    },
  },
  {
    name: 'a Lease is taken by one of two',
    observe: async ({ api, ns }) => {
      const spec = {
        holderIdentity: 'a',
        leaseDurationSeconds: 15,
        acquireTime: '2026-01-01T00:00:00.000000Z',
        renewTime: '2026-01-01T00:00:00.123456Z',
        leaseTransitions: 0,
      }
      const made = await api.post(at(leases, ns), { metadata: { name: 'l' }, spec })
      const path = at(leases, ns, 'l')
      const second = changed(made.body, { spec: { holderIdentity: 'b', leaseTransitions: 1 } })
      const third = changed(made.body, { spec: { holderIdentity: 'c' } })
      const [first, late] = [await api.put(path, second), await api.put(path, third)]
      return {
        made: made.body['spec'],
        raw: dig(made.body, 'spec', 'renewTime') === spec.renewTime,
        first,
        late,
        duration: await api.patch(path, 'merge', { spec: { leaseDurationSeconds: 0 } }),
        transitions: await api.patch(path, 'merge', { spec: { leaseTransitions: -1 } }),
        time: await api.patch(path, 'merge', { spec: { renewTime: 'yesterday' } }),
      }
    },
  },
  {
    name: 'Events of both groups',
    observe: async ({ api, ns }) => {
      const involvedObject = {
        apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
        kind: 'Module',
        name: 'm',
        namespace: ns,
        uid: 'u',
      }
      const core = {
        metadata: { name: 'c' },
        involvedObject,
        reason: 'R',
        message: 'm',
        type: 'Warning',
        count: 1,
        firstTimestamp: '2026-01-01T00:00:00Z',
        lastTimestamp: '2026-01-01T00:00:00Z',
        source: { component: 'kmm' },
      }
      const made = await api.post(at('v1/events', ns), core)
      const shown = await api.get(at('events.k8s.io/v1/events', ns, 'c'))
      const modern = {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name: 'n' },
        eventTime: '2026-01-01T00:00:00.000000Z',
        reportingController: 'kmm.example/op',
        reportingInstance: 'i',
        action: 'Load',
        reason: 'R',
        note: 'n',
        type: 'Normal',
        regarding: involvedObject,
      }
      const newer = await api.post(at('events.k8s.io/v1/events', ns), modern)
      const events = at('v1/events', ns)
      return {
        made,
        shown,
        newer,
        newerShown: await api.get(`${events}/n`),
        counted: dig((await api.patch(`${events}/c`, 'merge', { count: 2 })).body, 'count'),
        otherNamespace: await api.post(events, {
          ...core,
          metadata: { name: 'o' },
          involvedObject: { ...involvedObject, namespace: 'default' },
        }),
        clusterScoped: brief(
          await api.post(at('v1/events', 'default'), {
            ...core,
            metadata: { name: `${ns}-n` },
            involvedObject: { kind: 'Node', name: 'n' },
          }),
        ),
        clusterScopedHere: await api.post(events, {
          ...core,
          metadata: { name: 'p' },
          involvedObject: { kind: 'Node', name: 'n' },
        }),
        incomplete: await api.post(at('events.k8s.io/v1/events', ns), {
          metadata: { name: 'q' },
          regarding: involvedObject,
        }),
        type: await api.post(at('events.k8s.io/v1/events', ns), { ...modern, metadata: { name: 'r' }, type: 'Odd' }),
        noteChanged: await api.patch(at('events.k8s.io/v1/events', ns, 'n'), 'merge', { note: 'other' }),
        long: brief(await api.post(events, { ...core, metadata: { name: 's' }, message: 'x'.repeat(2_000) })),
        longNote: brief(
          await api.post(at('events.k8s.io/v1/events', ns), {
            ...modern,
            metadata: { name: 't' },
            note: 'x'.repeat(1_100),
          }),
        ),
        createdByPut: brief(await api.put(`${events}/u`, { ...core, metadata: { name: 'u', namespace: ns } })),
      }
    },
  },
  {
    name: 'a DeviceClass of resource.k8s.io/v1',
    observe: async ({ api, token }) => {
      const path = 'resource.k8s.io/v1/deviceclasses'
      const spec = { selectors: [{ cel: { expression: "device.driver == 'kmm.example'" } }] }
      const result = {
        made: await api.post(at(path), { metadata: { name: token }, spec }),
        bad: await api.post(at(path), {
          metadata: { name: `${token}b` },
          spec: { selectors: [{ cel: { expression: 'device.' } }] },
        }),
        none: await api.post(at(path), { metadata: { name: `${token}b` }, spec: { selectors: [{}] } }),
        changed: await api.patch(at(path, '', token), 'merge', { spec: { selectors: [] } }),
        claims: (await api.get(at('resource.k8s.io/v1/resourceclaims'))).status,
      }
      await api.delete(at(path, '', token))
      return result
    },
  },
  {
    name: 'what a DeviceClass may say',
    observe: async ({ api, token }) => {
      const path = at('resource.k8s.io/v1/deviceclasses')
      const probe = async (spec: unknown) => {
        const answer = await api.post(`${path}?dryRun=All`, { metadata: { name: token }, spec })
        return answer.status < 300 ? dig(answer.body, 'spec') : answer
      }
      const select = (expression: string) => probe({ selectors: [{ cel: { expression } }] })
      const configure = (opaque: unknown) => probe({ config: [{ opaque }] })
      const driver = 'gpu.example.com'
      const many = Array.from({ length: 33 }, () => ({ cel: { expression: 'true' } }))
      return {
        capacity: await select('device.capacity["a.b"].memory.compareTo(quantity("1Gi")) >= 0'),
        version: await select('device.attributes["a.b"].version.isGreaterThan(semver("1.2.3"))'),
        optional: await select('device.attributes["a.b"].?fast.orValue(false)'),
        undeclared: await select('foo == 1'),
        noBool: await select('device.driver'),
        long: await select(`"${'a'.repeat(10_240)}" == device.driver`),
        many: await probe({ selectors: many }),
        settings: await configure({ driver, parameters: { a: null, b: '', c: [], d: {}, e: 1.5, f: false } }),
        noOpaque: await probe({ config: [{}] }),
        noDriver: await configure({ parameters: {} }),
        badDriver: await configure({ driver: 'A_B', parameters: {} }),
        longDriver: await configure({ driver: 'a'.repeat(64), parameters: {} }),
        noParameters: await configure({ driver }),
        listOfParameters: await configure({ driver, parameters: [1] }),
        extended: await probe({ extendedResourceName: 'example.com/gpu' }),
        badExtended: await probe({ extendedResourceName: 'kubernetes.io/gpu' }),
        nothing: await probe(undefined),
      }
    },
  },
  {
    name: 'a DeviceClass counts what is asked of it, and may be replaced without its version',
    observe: async ({ api, token }) => {
      const path = 'resource.k8s.io/v1/deviceclasses'
      const own = at(path, '', token)
      const made = await api.post(at(path), { metadata: { name: token }, spec: {} })
      const labelled = await api.patch(own, 'merge', { metadata: { labels: { a: 'b' } } })
      const changed = await api.patch(own, 'merge', { spec: { extendedResourceName: 'example.com/gpu' } })
      const replaced = await api.put(own, { metadata: { name: token }, spec: {} })
      const absent = await api.put(at(path, '', `${token}x`), { metadata: { name: `${token}x` }, spec: {} })
      await api.delete(own)
      return { counts: [made, labelled, changed, replaced].map(metaOf), absent }
    },
  },
  {
    name: 'priority classes that every cluster has',
    observe: async ({ api, ns, token }) => {
      const path = 'scheduling.k8s.io/v1/priorityclasses'
      const system = await api.get(at(path, '', 'system-node-critical'))
      const made = await api.post(at(path), { metadata: { name: token }, value: 1_000 })
      const pod = {
        metadata: { name: 'p' },
        spec: { priorityClassName: token, containers: [{ name: 'c', image: 'i' }] },
      }
      const used = await api.post(`${at('v1/pods', ns)}?dryRun=All`, pod)
      const changedValue = await api.patch(at(path, '', token), 'merge', { value: 2 })
      const system2 = await api.post(at(path), { metadata: { name: 'system-mine' }, value: 1 })
      const large = await api.post(at(path), { metadata: { name: `${token}l` }, value: 1_000_000_001 })
      await api.delete(at(path, '', token))
      return {
        system: [system.status, system.body['value']],
        made,
        priority: dig(used.body, 'spec', 'priority'),
        changedValue,
        system2,
        large,
      }
    },
  },
  {
    name: 'bodies: too large, in YAML, in another form',
    observe: async ({ api, ns }) => {
      const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: y\ndata:\n  a: "1"\n'
      const path = at(configMaps, ns)
      return {
        yaml: await api.send('POST', path, { body: yaml, type: 'application/yaml' }),
        asYaml: await api
          .get(`${path}/y`, { accept: 'application/yaml' })
          .then(({ status, type }) => ({ status, type })),
        xml: await api.send('POST', path, { body: '<a/>', type: 'text/xml' }),
        noType: brief(await api.send('POST', path, { body: JSON.stringify(configMap('n')), type: '' })),
        acceptXml: await api.get(path, { accept: 'text/xml' }),
        acceptAny: (await api.get(`${path}/y`, { accept: '*/*' })).type ?? 'application/json',
        acceptProtobufFirst:
          (await api.get(`${path}/y`, { accept: 'application/vnd.kubernetes.protobuf,application/json' })).type ??
          'application/json',
        acceptProtobufOfModules: await api.get(at(modules, ns), { accept: 'application/vnd.kubernetes.protobuf' }),
        large: (await api.post(path, configMap('l', {}, { a: 'x'.repeat(3_200_000) }))).status,
        notFound: await api.get('/apis/nothing.example/v1/things'),
        notFoundVersion: await api.get('/apis/kmm.sigs.x-k8s.io/v9/modules'),
        nowhere: await api.get('/nowhere'),
        method: await api.send('PUT', path, { body: {} }),
        postToName: await api.send('POST', `${path}/y`, { body: {} }),
        subresource: await api.get(`${path}/y/status`),
        clusterScoped: await api.get('/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/default/nodemodulesconfigs'),
      }
    },
  },
]
