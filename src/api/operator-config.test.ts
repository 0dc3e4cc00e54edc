import { expect, it } from 'vitest'
import { parseOperatorConfig } from './operator-config.ts'

it('gives upstream’s defaults for an empty file', () => {
  const { config, unknown } = parseOperatorConfig('')
  expect(config).toMatchObject({
    healthProbeBindAddress: ':8081',
    leaderElection: { enabled: true, resourceID: 'kmm.sigs.x-k8s.io' },
    worker: { runAsUser: 0, seLinuxType: 'spc_t', firmwareHostPath: '/lib/firmware', cachePath: '/var/lib/kmm/cache' },
  })
  expect(unknown).toEqual([])
})

it('honours the documented name of the firmware path', () => {
  expect(parseOperatorConfig('worker: {setFirmwareClassPath: /var/lib/firmware}').config.worker.firmwareHostPath).toBe(
    '/var/lib/firmware',
  )
})

it('lets the worker fetch images unless the kubelet is to', () => {
  expect(parseOperatorConfig('').config.worker.imageSource).toBe('worker')
  expect(parseOperatorConfig('worker: {imageSource: volume}').config.worker.imageSource).toBe('volume')
})

it('names unknown keys and goes on without them', () => {
  expect(parseOperatorConfig('worker: {colour: red}\nspeed: 3\nwebhookPort: 9443').unknown).toEqual([
    'speed',
    'worker.colour',
  ])
})

it.each([
  ['worker: {runAsUser: root}', 'worker.runAsUser must be a number'],
  ['worker: 3', 'worker must be a mapping'],
  ['worker: {imageSource: kubelet}', 'worker.imageSource must be one of worker, volume'],
  ['worker: {cachePath: ../cache}', 'worker.cachePath must be an absolute path'],
  ['a: [', 'not valid YAML'],
])('refuses %s with the path of the fault', (text, message) => {
  expect(() => parseOperatorConfig(text)).toThrow(message)
})
