import { describe, expect, it } from 'vitest'
import { parseTarget, verbOf, type Target } from './target.ts'

const core = { group: '', version: 'v1' }
const apps = { group: 'apps', version: 'v1' }

const cases: [path: string, target: Target | undefined][] = [
  ['/api/v1/nodes', { ...core, plural: 'nodes' }],
  ['/api/v1/nodes/n/status', { ...core, plural: 'nodes', name: 'n', subresource: 'status' }],
  ['/api/v1/namespaces', { ...core, plural: 'namespaces' }],
  ['/api/v1/namespaces/x', { ...core, plural: 'namespaces', name: 'x' }],
  ['/api/v1/namespaces/x/finalize', { ...core, plural: 'namespaces', name: 'x', subresource: 'finalize' }],
  ['/api/v1/namespaces/x/pods', { ...core, plural: 'pods', namespace: 'x' }],
  ['/api/v1/namespaces/x/pods/p/log', { ...core, plural: 'pods', namespace: 'x', name: 'p', subresource: 'log' }],
  ['/apis/apps/v1/namespaces/x/daemonsets/d', { ...apps, plural: 'daemonsets', namespace: 'x', name: 'd' }],
  ['/apis/apps/v1/daemonsets', { ...apps, plural: 'daemonsets' }],
  [
    '/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Ax',
    { group: 'rbac.authorization.k8s.io', version: 'v1', plural: 'clusterroles', name: 'system:x' },
  ],
  ['/apis/apps/v1', undefined],
  ['/apis/apps', undefined],
  ['/api', undefined],
  ['/version', undefined],
]

describe('a path', () => {
  it.each(cases)('%s is %j', (path, target) => {
    expect(parseTarget(path)).toEqual(target)
  })

  it('with too many parts, or of the old watches, is not imitated', () => {
    expect(() => parseTarget('/api/v1/nodes/n/proxy/x')).toThrow('does not imitate')
    expect(() => parseTarget('/api/v1/watch/pods')).toThrow('does not imitate')
    expect(() => parseTarget('/api/v1/nodes/%zz')).toThrow('could not find the requested resource')
  })
})

describe('a method', () => {
  const collection: Target = { ...core, plural: 'pods' }
  const one: Target = { ...collection, name: 'p' }
  const query = (text: string): URLSearchParams => new URLSearchParams(text)

  it.each([
    ['GET', collection, '', 'list'],
    ['GET', collection, 'watch=1', 'watch'],
    ['GET', collection, 'watch=true', 'watch'],
    ['GET', collection, 'watch=false', 'list'],
    ['GET', one, '', 'get'],
    ['GET', one, 'watch=1', 'watch'],
    ['POST', collection, '', 'create'],
    ['PUT', one, '', 'update'],
    ['PATCH', one, '', 'patch'],
    ['DELETE', one, '', 'delete'],
    ['DELETE', collection, '', 'deletecollection'],
    ['OPTIONS', one, '', undefined],
  ])('%s of %j with %s is %s', (method, target, text, verb) => {
    expect(verbOf(method, target, query(text))).toBe(verb)
  })
})
