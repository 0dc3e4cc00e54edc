import type { ApiCase } from '../context.ts'
import { at, configMap, dig, module, modules, node, nodes, pod, pods } from '../objects.ts'

/** What people do with kubectl. */
export const kubectlCases: readonly ApiCase[] = [
  {
    name: 'kubectl applies, changes, shows and deletes a Module',
    observe: async ({ kubectl }) => {
      const apply = (labels: Record<string, string>): Promise<unknown> =>
        kubectl(['apply', '-f', '-'], module('m', {}, { labels }))
      return {
        created: await apply({ a: '1' }),
        unchanged: await apply({ a: '1' }),
        diff: await kubectl(['diff', '-f', '-'], module('m', {}, { labels: { a: '2' } })).then(({ code, stdout }) => [
          code,
          stdout.filter((line) => /^[-+] /.test(line)),
        ]),
        configured: await apply({ b: '1' }),
        get: await kubectl(['get', 'modules']),
        wide: await kubectl(['get', 'modules', '-o', 'wide']),
        shortName: await kubectl(['get', 'module/m', '-o', 'name']),
        labels: await kubectl(['get', 'modules', '--show-labels']),
        jsonPath: await kubectl(['get', 'module', 'm', '-o', 'jsonpath={.spec.selector}']),
        dryRun: await kubectl(['apply', '--dry-run=server', '-f', '-'], module('m', { selector: { z: 'z' } })),
        label: await kubectl(['label', 'module', 'm', 'x=y']),
        annotate: await kubectl(['annotate', 'module', 'm', 'x=y']),
        patch: await kubectl(['patch', 'module', 'm', '--type=merge', '-p', '{"spec":{"selector":{"q":"r"}}}']),
        patchStatus: await kubectl([
          'patch',
          'module',
          'm',
          '--subresource=status',
          '--type=merge',
          '-p',
          '{"status":{"moduleLoader":{"desiredNumber":3}}}',
        ]),
        deleted: await kubectl(['delete', 'module', 'm']),
        absent: await kubectl(['get', 'module', 'm']),
      }
    },
  },
  {
    name: 'kubectl says what is wrong with a Module',
    observe: async ({ kubectl }) => ({
      unknown: await kubectl(['apply', '-f', '-'], module('m', { bogus: 1 })),
      create: await kubectl(['create', '-f', '-'], module('m', { selector: 'text' })),
      validateOff: await kubectl(
        ['apply', '--validate=false', '--dry-run=server', '-f', '-'],
        module('m', { bogus: 1 }),
      ),
      noKind: await kubectl(['apply', '-f', '-'], {
        apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
        kind: 'Nothing',
        metadata: { name: 'm' },
      }),
      noResource: await kubectl(['get', 'nothings']),
    }),
  },
  {
    name: 'kubectl explains our kinds',
    observe: async ({ kubectl }) => ({
      module: await kubectl(['explain', 'module']),
      deep: await kubectl(['explain', 'module.spec.moduleLoader.container.modprobe']),
      mappings: await kubectl(['explain', 'module.spec.moduleLoader.container.kernelMappings.sign']),
      nmc: await kubectl(['explain', 'nodemodulesconfig.status']),
      absent: await kubectl(['explain', 'module.spec.nothing']),
      recursive: await kubectl(['explain', 'preflightvalidation.spec', '--recursive']),
    }),
  },
  {
    name: 'kubectl explains built-in kinds',
    observe: async ({ kubectl }) => {
      const outline = async (path: string): Promise<unknown> => {
        const { code, stdout, stderr } = await kubectl(['explain', path])
        return {
          code,
          stderr,
          fields: stdout.filter((line) => /^\s+\S+\t/.test(line) || /^(KIND|VERSION|GROUP|FIELD):/.test(line)),
        }
      }
      return {
        pod: await outline('pod'),
        container: await outline('pod.spec.containers'),
        hostPath: await outline('pod.spec.volumes.hostPath'),
        daemonSet: await outline('daemonset.spec.updateStrategy'),
        node: await outline('node.spec.taints'),
        secret: await outline('secret'),
        metadata: await outline('module.metadata'),
      }
    },
  },
  {
    name: 'kubectl with built-in kinds: apply, strategic patch, wait',
    observe: async ({ api, kubectl, ns, token }) => {
      // Pods on a node that does not exist are collected after a while.
      await api.post(at(nodes), node(token))
      const gated = pod('p', { nodeName: token })
      const applied = await kubectl(['apply', '-f', '-'], gated)
      const image = await kubectl(['set', 'image', 'pod/p', 'main=other'])
      const again = await kubectl(['apply', '-f', '-'], gated)
      const patched = await kubectl([
        'patch',
        'pod',
        'p',
        '-p',
        '{"spec":{"containers":[{"name":"main","image":"third"}]}}',
      ])
      const images = await kubectl(['get', 'pod', 'p', '-o', 'jsonpath={.spec.containers[*].image}'])
      const waiting = kubectl(['wait', '--for=condition=Ready', 'pod/p', '--timeout=20s'])
      await api.patch(at(pods, ns, 'p', 'status'), 'strategic', {
        status: { conditions: [{ type: 'Ready', status: 'True' }], phase: 'Running' },
      })
      const waited = await waiting
      const timedOut = await kubectl(['wait', '--for=condition=Other', 'pod/p', '--timeout=1s'])
      const forced = await kubectl(['delete', 'pod', 'p', '--force', '--grace-period=0'])
      const configMapApplied = await kubectl(['apply', '-f', '-'], configMap('c'))
      const removedKey = await kubectl(['apply', '-f', '-'], configMap('c', {}, { b: '2' }))
      return {
        applied,
        image,
        again,
        patched,
        images,
        waited,
        timedOut,
        forced,
        configMapApplied,
        removedKey,
        data: await kubectl(['get', 'cm', 'c', '-o', 'jsonpath={.data}']),
      }
    },
  },
  {
    name: 'kubectl applies on the server side',
    observe: async ({ kubectl }) => ({
      created: await kubectl(['apply', '--server-side', '-f', '-'], configMap('c')),
      again: await kubectl(['apply', '--server-side', '-f', '-'], configMap('c', {}, { a: '2' })),
      conflict: await kubectl(
        ['apply', '--server-side', '--field-manager=other', '-f', '-'],
        configMap('c', {}, { a: '3' }),
      ),
      forced: await kubectl(
        ['apply', '--server-side', '--field-manager=other', '--force-conflicts', '-f', '-'],
        configMap('c', {}, { a: '3' }),
      ),
    }),
  },
  {
    name: 'kubectl with nodes: cordon, taint, label, describe',
    observe: async ({ api, kubectl, token }) => {
      await api.post(at(nodes), node(token))
      const described = async (): Promise<string[]> => {
        const { stdout } = await kubectl(['describe', 'node', token])
        return stdout.filter((line) => /^(Name|Roles|Labels|Taints|Unschedulable):/.test(line))
      }
      const result = {
        cordon: await kubectl(['cordon', token]),
        again: await kubectl(['cordon', token]),
        taint: await kubectl(['taint', 'node', token, 'k=v:NoSchedule']),
        tainted: await kubectl(['taint', 'node', token, 'k=v:NoSchedule']),
        get: await kubectl(['get', 'node', token]),
        label: await kubectl(['label', 'node', token, 'node-role.kubernetes.io/worker=', 'a=b']),
        roles: await kubectl(['get', 'node', token, '-L', 'a']),
        untaint: await kubectl(['taint', 'node', token, 'k-']),
        uncordon: await kubectl(['uncordon', token]),
        described: (await described()).filter((line) => !line.startsWith('Taints') && !line.startsWith('Labels')),
      }
      await api.delete(at(nodes, '', token))
      return result
    },
  },
  {
    name: 'kubectl describes a Module and a pod with their events',
    observe: async ({ api, kubectl, ns, token }) => {
      const made = await api.post(at(modules, ns), module('m'))
      const involvedObject = {
        apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
        kind: 'Module',
        name: 'm',
        namespace: ns,
        uid: dig(made.body, 'metadata', 'uid'),
      }
      const now = new Date().toISOString().replace(/\.\d+Z/, 'Z')
      await api.post(at('v1/events', ns), {
        metadata: { name: 'e' },
        involvedObject,
        type: 'Warning',
        reason: 'Bad',
        message: 'it went wrong',
        source: { component: 'kmm' },
        firstTimestamp: now,
        lastTimestamp: now,
        count: 1,
      })
      await api.post(at(pods, ns), pod('p', { nodeName: token, tolerations: [{ operator: 'Exists' }] }))
      return {
        module: await kubectl(['describe', 'module', 'm']),
        pod: (await kubectl(['describe', 'pod', 'p'])).stdout,
        events: await kubectl(['get', 'events']),
        eventsFor: await kubectl(['events', '--for', 'module/m']),
      }
    },
  },
  {
    name: 'kubectl makes objects and asks about itself',
    observe: async ({ kubectl, ns }) => ({
      secret: await kubectl(['create', 'secret', 'generic', 's', '--from-literal=a=b']),
      pullSecret: await kubectl([
        'create',
        'secret',
        'docker-registry',
        'r',
        '--docker-server=x',
        '--docker-username=u',
        '--docker-password=p',
      ]),
      configMap: await kubectl(['create', 'configmap', 'c', '--from-literal=a=b']),
      account: await kubectl(['create', 'serviceaccount', 'sa']),
      role: await kubectl(['create', 'role', 'r', '--verb=get', '--resource=pods']),
      binding: await kubectl(['create', 'rolebinding', 'rb', '--role=r', `--serviceaccount=${ns}:sa`]),
      canI: await kubectl(['auth', 'can-i', 'create', 'modules.kmm.sigs.x-k8s.io']),
      canAccount: await kubectl(['auth', 'can-i', 'get', 'pods', `--as=system:serviceaccount:${ns}:sa`]),
      cannot: await kubectl(['auth', 'can-i', 'delete', 'pods', `--as=system:serviceaccount:${ns}:sa`]),
      token: await kubectl(['create', 'token', 'sa']),
      all: await kubectl(['get', 'secret,configmap,serviceaccount,role,rolebinding', '-o', 'name']),
      apiResources: await kubectl(['api-resources', '--api-group=kmm.sigs.x-k8s.io']),
      logs: await kubectl(['logs', 'absent']),
      scale: await kubectl(['create', 'deployment', 'd', '--image=i', '--dry-run=server']),
      deleteAll: await kubectl(['delete', 'secret', '--all']),
    }),
  },
  {
    name: 'kubectl edits a list and replaces',
    observe: async ({ kubectl }) => ({
      several: await kubectl(['apply', '-f', '-'], {
        apiVersion: 'v1',
        kind: 'List',
        items: [configMap('a'), module('m')],
      }),
      replace: await kubectl(['replace', '-f', '-'], configMap('a', {}, { z: '1' })),
      replaceForce: await kubectl(['replace', '--force', '-f', '-'], configMap('a', {}, { z: '2' })),
      getSeveral: await kubectl(['get', 'cm/a', 'module/m']),
      selector: await kubectl([
        'get',
        'cm',
        '--field-selector=metadata.name=a',
        '-o',
        'custom-columns=N:.metadata.name,Z:.data.z',
      ]),
      jsonPatch: await kubectl(['patch', 'cm', 'a', '--type=json', '-p', '[{"op":"remove","path":"/data/z"}]']),
      deleteSeveral: await kubectl(['delete', 'cm/a', 'module/m']),
    }),
  },
]
