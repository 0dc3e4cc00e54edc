import { beforeEach, describe, expect, it } from 'vitest'
import { createTestStore } from '../../../../test/sandbox-store.ts'
import { builtInResources } from '../built-in-resources.ts'
import type { ApiResource, Operation, WriteRequest } from '../hooks.ts'
import type { ApiObject } from '../object.ts'
import { StatusError, toStatus } from '../status-error.ts'
import type { Store } from '../store.ts'
import { createAdmission } from './admission.ts'
import type { Pod, PodSpec } from './pod-shape.ts'

let store: Store
let warnings: string[]

const apiGroups: Record<string, string> = {
  daemonsets: 'apps',
  priorityclasses: 'scheduling.k8s.io',
}

function createObject(
  plural: string,
  object: Record<string, unknown> & { metadata: ApiObject['metadata'] },
): ApiObject {
  const group = apiGroups[plural] ?? ''
  return store.create({ group, plural }, { apiVersion: 'v1', kind: '', ...object })
}

beforeEach(() => {
  store = createTestStore()
  warnings = []
  for (const name of ['default', 'ns']) {
    createObject('namespaces', { metadata: { name } })
    createObject('serviceaccounts', { metadata: { name: 'default', namespace: name } })
  }
})

interface Write {
  operation?: Operation
  plural?: string
  object?: Record<string, unknown>
  oldObject?: Record<string, unknown>
  namespace?: string
  name?: string
}

function findResource(plural: string): ApiResource {
  const resource = builtInResources.find((each) => each.plural === plural)
  if (resource === undefined) throw new Error(`${plural} is not built in`)
  return resource
}

function createRequest(write: Write): WriteRequest {
  const { operation = 'CREATE', name = 'x', object, oldObject } = write
  const resource = findResource(write.plural ?? 'pods')
  const complete = (part: Record<string, unknown>): ApiObject =>
    ({ apiVersion: 'v1', kind: resource.kind, metadata: { name }, ...structuredClone(part) }) as ApiObject
  return {
    operation,
    resource,
    name,
    options: {},
    user: { name: 'admin', groups: [] },
    userAgent: 'test',
    dryRun: false,
    warn: (message) => warnings.push(message),
    ...(resource.namespaced ? { namespace: write.namespace ?? 'ns' } : {}),
    ...(object === undefined ? {} : { object: complete(object) }),
    ...(oldObject === undefined ? {} : { oldObject: complete(oldObject) }),
  }
}

async function admit(write: Write): Promise<ApiObject | undefined> {
  const request = createRequest(write)
  for (const plugin of createAdmission(store, { generateSuffix: () => 'abcde' })) await plugin.admit(request)
  return request.object
}

async function refusal(write: Write): Promise<StatusError> {
  const error = await admit(write).catch((thrown: unknown) => thrown)
  if (error instanceof StatusError) return error
  throw new Error(`expected a refusal, got ${JSON.stringify(error)}`)
}

const plainSpec: PodSpec = { containers: [{ name: 'c', image: 'i' }] }

function labelNamespace(labels: Record<string, string>): void {
  store.update(
    { group: '', plural: 'namespaces' },
    {
      ...structuredClone(store.get({ group: '', plural: 'namespaces' }, { name: 'ns' })),
      metadata: { name: 'ns', labels },
    },
  )
}

describe('the namespace of a new object', () => {
  it('must exist', async () => {
    const error = await refusal({ object: { spec: plainSpec }, namespace: 'nowhere' })
    expect(toStatus(error)).toMatchObject({
      code: 404,
      reason: 'NotFound',
      message: 'namespaces "nowhere" not found',
    })
  })

  it('must not be going', async () => {
    store.delete({ group: '', plural: 'namespaces' }, { name: 'ns' })
    const error = await refusal({ object: { spec: plainSpec } })
    expect(error.status).toBe(403)
    expect(error.message).toBe(
      'pods "x" is forbidden: unable to create new content in namespace ns because it is being terminated',
    )
    expect(error.details?.causes).toEqual([
      { reason: 'NamespaceTerminating', message: 'namespace ns is being terminated', field: 'metadata.namespace' },
    ])
  })

  it('stays when it is one of the three that every cluster has', async () => {
    const error = await refusal({ operation: 'DELETE', plural: 'namespaces', name: 'default' })
    expect(error.message).toBe('namespaces "default" is forbidden: this namespace may not be deleted')
  })
})

describe('the service account of a pod', () => {
  it('must exist', async () => {
    const error = await refusal({ object: { spec: { ...plainSpec, serviceAccountName: 'robot' } } })
    expect(error.status).toBe(403)
    expect(error.message).toBe(
      'pods "x" is forbidden: error looking up service account ns/robot: serviceaccount "robot" not found',
    )
  })

  it('is the default one, whose token every container gets', async () => {
    const pod = (await admit({ object: { spec: plainSpec } })) as Pod
    expect(pod.spec?.serviceAccountName).toBe('default')
    expect(pod.spec?.containers[0]?.volumeMounts).toEqual([
      { name: 'kube-api-access-abcde', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
    ])
    expect(pod.spec?.volumes?.[0]?.projected?.sources?.map((source) => Object.keys(source)[0])).toEqual([
      'serviceAccountToken',
      'configMap',
      'downwardAPI',
    ])
  })

  it('mounts no token where pod or account decline, the pod first', async () => {
    const declined = (await admit({ object: { spec: { ...plainSpec, automountServiceAccountToken: false } } })) as Pod
    expect(declined.spec?.volumes).toBeUndefined()
    createObject('serviceaccounts', {
      metadata: { name: 'quiet', namespace: 'ns' },
      automountServiceAccountToken: false,
    })
    const quiet = { ...plainSpec, serviceAccountName: 'quiet' }
    expect(((await admit({ object: { spec: quiet } })) as Pod).spec?.volumes).toBeUndefined()
    const asked = (await admit({ object: { spec: { ...quiet, automountServiceAccountToken: true } } })) as Pod
    expect(asked.spec?.volumes).toHaveLength(1)
  })

  it('lends its pull secrets to a pod that has none', async () => {
    createObject('serviceaccounts', {
      metadata: { name: 'puller', namespace: 'ns' },
      imagePullSecrets: [{ name: 's' }],
    })
    const spec = { ...plainSpec, serviceAccountName: 'puller' }
    expect(((await admit({ object: { spec } })) as Pod).spec?.imagePullSecrets).toEqual([{ name: 's' }])
    const own = { ...spec, imagePullSecrets: [{ name: 'own' }] }
    expect(((await admit({ object: { spec: own } })) as Pod).spec?.imagePullSecrets).toEqual([{ name: 'own' }])
  })
})

describe('a new pod', () => {
  it('tolerates a node that is not ready or unreachable for five minutes', async () => {
    const pod = (await admit({ object: { spec: plainSpec } })) as Pod
    expect(pod.spec?.tolerations).toEqual([
      { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
      { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
    ])
    const everything = { ...plainSpec, tolerations: [{ operator: 'Exists' }] }
    expect(((await admit({ object: { spec: everything } })) as Pod).spec?.tolerations).toEqual(everything.tolerations)
  })

  it('gets the priority of its class', async () => {
    createObject('priorityclasses', { metadata: { name: 'mine' }, value: 7 })
    const priority = async (priorityClassName: string): Promise<number | undefined> =>
      ((await admit({ object: { spec: { ...plainSpec, priorityClassName } } })) as Pod).spec?.priority
    expect(await priority('')).toBe(0)
    expect(await priority('mine')).toBe(7)
    expect(await priority('system-node-critical')).toBe(2_000_001_000)
    const error = await refusal({ object: { spec: { ...plainSpec, priorityClassName: 'nope' } } })
    expect(error.message).toBe('pods "x" is forbidden: no PriorityClass with name nope was found')
  })
})

it('taints a new node as not ready, once', async () => {
  const node = await admit({ plural: 'nodes', object: {} })
  expect(node?.['spec']).toEqual({ taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }] })
  const again = await admit({ plural: 'nodes', object: { spec: node?.['spec'] } })
  expect(again?.['spec']).toEqual(node?.['spec'])
})

const workerSpec: PodSpec = {
  containers: [
    {
      name: 'worker',
      image: 'w',
      securityContext: { capabilities: { add: ['SYS_MODULE'] }, seLinuxOptions: { type: 'spc_t' } },
    },
  ],
  volumes: [
    { name: 'lib-modules', hostPath: { path: '/lib/modules' } },
    { name: 'tmp', emptyDir: {} },
  ],
}
const baselineWords =
  'non-default capabilities (container "worker" must not include "SYS_MODULE" in securityContext.capabilities.add), hostPath volumes (volume "lib-modules"), seLinuxOptions (container "worker" set forbidden securityContext.seLinuxOptions: type "spc_t")'

describe('Pod Security', () => {
  it('refuses a worker pod at the baseline level in the words of the server', async () => {
    labelNamespace({ 'pod-security.kubernetes.io/enforce': 'baseline' })
    const error = await refusal({ object: { spec: workerSpec } })
    expect(error.status).toBe(403)
    expect(error.message).toBe(`pods "x" is forbidden: violates PodSecurity "baseline:latest": ${baselineWords}`)
  })

  it('lists everything that the restricted level asks for', async () => {
    labelNamespace({
      'pod-security.kubernetes.io/enforce': 'restricted',
      'pod-security.kubernetes.io/enforce-version': 'v1.30',
    })
    const error = await refusal({ object: { spec: workerSpec } })
    expect(error.message).toBe(
      'pods "x" is forbidden: violates PodSecurity "restricted:v1.30": seLinuxOptions (container "worker" set forbidden securityContext.seLinuxOptions: type "spc_t"), allowPrivilegeEscalation != false (container "worker" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "worker" must set securityContext.capabilities.drop=["ALL"]; container "worker" must not include "SYS_MODULE" in securityContext.capabilities.add), restricted volume types (volume "lib-modules" uses restricted volume type "hostPath"), runAsNonRoot != true (pod or container "worker" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "worker" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    )
  })

  it('lets everything pass at the privileged level, and without labels', async () => {
    await admit({ object: { spec: workerSpec } })
    labelNamespace({ 'pod-security.kubernetes.io/enforce': 'privileged' })
    await admit({ object: { spec: workerSpec } })
    expect(warnings).toEqual([])
  })

  it('warns where the namespace asks for that, and about templates of what makes pods', async () => {
    labelNamespace({ 'pod-security.kubernetes.io/warn': 'baseline' })
    await admit({ object: { spec: workerSpec } })
    expect(warnings).toEqual([`would violate PodSecurity "baseline:latest": ${baselineWords}`])
    labelNamespace({ 'pod-security.kubernetes.io/enforce': 'baseline' })
    await admit({ plural: 'daemonsets', object: { spec: { template: { spec: workerSpec } } } })
    expect(warnings).toHaveLength(2)
  })

  it('looks again at an update only when an image changed', async () => {
    labelNamespace({ 'pod-security.kubernetes.io/enforce': 'baseline' })
    await admit({ operation: 'UPDATE', object: { spec: workerSpec }, oldObject: { spec: workerSpec } })
    const changed = { ...workerSpec, containers: workerSpec.containers.map((each) => ({ ...each, image: 'other' })) }
    const error = await refusal({ operation: 'UPDATE', object: { spec: changed }, oldObject: { spec: workerSpec } })
    expect(error.status).toBe(403)
  })

  it.each<[words: string, spec: Partial<PodSpec>]>([
    ['host namespaces (hostNetwork=true, hostPID=true)', { hostNetwork: true, hostPID: true }],
    [
      'privileged (containers "a", "b" must not set securityContext.privileged=true)',
      {
        containers: ['a', 'b'].map((name) => ({ name, securityContext: { privileged: true } })),
      },
    ],
    [
      'hostPort (container "a" uses hostPort 80)',
      { containers: [{ name: 'a', ports: [{ containerPort: 1, hostPort: 80 }] }] },
    ],
    ['forbidden sysctls (kernel.msgmax)', { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }],
    [
      'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
      { securityContext: { seccompProfile: { type: 'Unconfined' } } },
    ],
    [
      'procMount (container "a" must not set securityContext.procMount to "Unmasked")',
      { containers: [{ name: 'a', securityContext: { procMount: 'Unmasked' } }] },
    ],
    [
      'forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined")',
      { securityContext: { appArmorProfile: { type: 'Unconfined' } } },
    ],
    [
      'seLinuxOptions (pod and container "a" set forbidden securityContext.seLinuxOptions: user may not be set; role may not be set)',
      {
        securityContext: { seLinuxOptions: { user: 'u' } },
        containers: [{ name: 'a', securityContext: { seLinuxOptions: { role: 'r' } } }],
      },
    ],
    [
      'probe or lifecycle host (container "a" uses probe or lifecycle host "h")',
      { containers: [{ name: 'a', livenessProbe: { httpGet: { host: 'h', port: 1 } } }] },
    ],
    [
      'hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)',
      { securityContext: { windowsOptions: { hostProcess: true } } },
    ],
  ])('says %s', async (words, spec) => {
    labelNamespace({ 'pod-security.kubernetes.io/enforce': 'baseline' })
    const error = await refusal({ object: { spec: { ...plainSpec, ...spec } } })
    expect(error.message).toBe(`pods "x" is forbidden: violates PodSecurity "baseline:latest": ${words}`)
  })

  it('accepts a pod that does all that the restricted level asks for', async () => {
    labelNamespace({ 'pod-security.kubernetes.io/enforce': 'restricted' })
    const securityContext = {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    }
    await admit({ object: { spec: { containers: [{ name: 'c', securityContext }] } } })
  })

  it('refuses labels that mean nothing', async () => {
    const metadata = { name: 'x', labels: { 'pod-security.kubernetes.io/enforce': 'strict' } }
    const error = await refusal({ plural: 'namespaces', object: { metadata } })
    expect(error.status).toBe(422)
    expect(error.message).toBe(
      'Namespace "x" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted',
    )
  })

  it('warns of the pods that a stricter level would not let in again', async () => {
    for (const name of ['b', 'a', 'c']) createObject('pods', { metadata: { name, namespace: 'ns' }, spec: workerSpec })
    await admit({
      operation: 'UPDATE',
      plural: 'namespaces',
      name: 'ns',
      oldObject: { metadata: { name: 'ns' } },
      object: { metadata: { name: 'ns', labels: { 'pod-security.kubernetes.io/enforce': 'baseline' } } },
    })
    expect(warnings).toEqual([
      'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"',
      'a (and 2 other pods): non-default capabilities, hostPath volumes, seLinuxOptions',
    ])
  })
})

describe('a quota', () => {
  const quota = (hard: Record<string, string>): void => {
    createObject('resourcequotas', { metadata: { name: 'q', namespace: 'ns' }, spec: { hard } })
  }
  const addPod = (name: string, phase = 'Running'): void => {
    createObject('pods', { metadata: { name, namespace: 'ns' }, spec: plainSpec })
    const pod = structuredClone(store.get({ group: '', plural: 'pods' }, { namespace: 'ns', name }))
    store.update({ group: '', plural: 'pods' }, { ...pod, status: { phase } }, { subresource: 'status' })
  }

  it('refuses the pod that is one too many', async () => {
    quota({ pods: '1' })
    await admit({ object: { spec: plainSpec } })
    addPod('a')
    const error = await refusal({ object: { spec: plainSpec } })
    expect(error.status).toBe(403)
    expect(error.message).toBe(
      'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1',
    )
  })

  it('counts finished pods as objects only', async () => {
    quota({ pods: '1', 'count/pods': '2' })
    addPod('a', 'Succeeded')
    addPod('b', 'Failed')
    const error = await refusal({ object: { spec: plainSpec } })
    expect(error.message).toBe(
      'pods "x" is forbidden: exceeded quota: q, requested: count/pods=1, used: count/pods=2, limited: count/pods=2',
    )
  })

  it('of something that the sandbox does not measure is not imitated', async () => {
    const error = await refusal({ plural: 'resourcequotas', object: { spec: { hard: { 'requests.cpu': '1' } } } })
    expect(error.status).toBe(501)
  })
})
