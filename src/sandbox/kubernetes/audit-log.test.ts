import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AuditLog } from './audit-log.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-audit-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const line = (name: string, more: object = {}): string =>
  `${JSON.stringify({
    kind: 'Event',
    verb: 'patch',
    requestURI: `/api/v1/nodes/${name}?fieldManager=x`,
    user: { username: 'somebody' },
    userAgent: 'test/1',
    objectRef: { resource: 'nodes', name, apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 200 },
    ...more,
  })}\n`

it('has no writes before the server has begun to log', () => {
  expect(new AuditLog(join(folder, 'none')).records).toEqual([])
})

it('reads what has been added, and a line only when it is whole', () => {
  const path = join(folder, 'audit.log')
  const log = new AuditLog(path)
  appendFileSync(path, line('n1'))
  const { records } = log
  expect(records.map(({ name }) => name)).toEqual(['n1'])
  const next = Buffer.from(line('ñ2'))
  const half = next.indexOf(0xc3) + 1 // In the middle of a character.
  appendFileSync(path, next.subarray(0, half))
  expect(log.records).toHaveLength(1)
  appendFileSync(path, next.subarray(half))
  expect(log.records.map(({ name }) => name)).toEqual(['n1', 'ñ2'])
  expect(log.records).toBe(records)
})

it('tells subresources, groups and dry runs', () => {
  const path = join(folder, 'audit.log')
  const objectRef = { resource: 'daemonsets', namespace: 'x', name: 'd', apiGroup: 'apps', subresource: 'status' }
  appendFileSync(
    path,
    line('d', { objectRef, requestURI: '/apis/apps/v1/x?dryRun=All', responseStatus: { code: 409 } }),
  )
  expect(new AuditLog(path).records).toEqual([
    {
      verb: 'patch',
      group: 'apps',
      resource: 'daemonsets',
      subresource: 'status',
      namespace: 'x',
      name: 'd',
      userAgent: 'test/1',
      user: 'somebody',
      status: 409,
      dryRun: true,
    },
  ])
})
