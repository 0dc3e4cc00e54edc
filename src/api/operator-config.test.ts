import { expect, it } from 'vitest'
import { parseOperatorConfig } from './operator-config.ts'

it('gives upstream’s defaults for an empty file', () => {
  const { config, unknown } = parseOperatorConfig('')
  expect(config).toMatchObject({
    healthProbeBindAddress: ':8081',
    webhookPort: 9443,
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

it('makes images with four builds at once and five attempts unless told otherwise', () => {
  expect(parseOperatorConfig('').config.job).toEqual({
    gcDelayMs: 0,
    maxAttempts: 5,
    build: { image: '', resources: { requests: { cpu: '500m', memory: '512Mi' } }, maxConcurrent: 4 },
    sign: { resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '512Mi' } } },
  })
  const text = `job:
  gcDelay: 1h30m
  maxAttempts: 1
  build: {image: builder:1, maxConcurrent: 2, resources: {limits: {cpu: 2, memory: 1.5Gi}}}
  sign: {resources: {requests: {example.com/disk: 1e3}}}`
  expect(parseOperatorConfig(text)).toMatchObject({
    config: {
      job: {
        gcDelayMs: 5_400_000,
        maxAttempts: 1,
        build: { image: 'builder:1', resources: { limits: { cpu: '2', memory: '1.5Gi' } }, maxConcurrent: 2 },
        sign: { resources: { requests: { 'example.com/disk': '1000' } } },
      },
    },
    unknown: [],
  })
})

it('lets given resources replace the default ones whole', () => {
  const { build } = parseOperatorConfig('job: {build: {resources: {limits: {memory: 1Gi}}}}').config.job
  expect(build.resources).toEqual({ limits: { memory: '1Gi' } })
})

it('names unknown keys of jobs', () => {
  expect(parseOperatorConfig('job: {a: 1, build: {b: 1, resources: {c: 1}}, sign: {d: 1}}').unknown).toEqual([
    'job.a',
    'job.build.b',
    'job.build.resources.c',
    'job.sign.d',
  ])
})

it('names unknown keys and goes on without them', () => {
  expect(parseOperatorConfig('worker: {colour: red}\nspeed: 3\nwebhookPort: 9443').unknown).toEqual([
    'speed',
    'worker.colour',
  ])
})

it.each([
  ['worker: {runAsUser: root}', 'worker.runAsUser must be a number'],
  ['webhookPort: 65536', 'webhookPort must be a port from 0 to 65535'],
  ['webhookPort: "9443"', 'webhookPort must be a number'],
  ['worker: 3', 'worker must be a mapping'],
  ['worker: {imageSource: kubelet}', 'worker.imageSource must be one of worker, volume'],
  ['worker: {cachePath: ../cache}', 'worker.cachePath must be an absolute path'],
  ['job: {gcDelay: 5}', 'job.gcDelay must be a string'],
  ['job: {gcDelay: soon}', 'job.gcDelay must be a duration such as 0s, 500ms or 1h30m'],
  ['job: {gcDelay: -1s}', 'job.gcDelay must be a duration'],
  ['job: {maxAttempts: 0}', 'job.maxAttempts must be a whole number of at least 1'],
  ['job: {build: {maxConcurrent: 1.5}}', 'job.build.maxConcurrent must be a whole number'],
  ['job: {build: {resources: {limits: {memory: lots}}}}', 'job.build.resources.limits.memory must be a quantity'],
  ['job: {sign: {resources: {requests: [1]}}}', 'job.sign.resources.requests must be a mapping'],
  ['a: [', 'not valid YAML'],
])('refuses %s with the path of the fault', (text, message) => {
  expect(() => parseOperatorConfig(text)).toThrow(message)
})
