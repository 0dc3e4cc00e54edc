import { expect, test } from 'vitest'
import { defineScenarios } from '../../conformance/kernel/define.ts'
import { scenarios } from '../../conformance/kernel/scenarios.ts'
import { KubeletCluster } from './kubelet-cluster.ts'

/** Those in which the kubelet has a part; what is between modprobe and the kernel alone, machines without one show faster. */
const names = [
  'firmware',
  'in-use',
  'worker-image',
  'operator-killed',
  'reboot',
  'reboot-not-ready',
  'kernel-upgrade',
  'two-kernels',
]

const chosen = scenarios.filter(({ name }) => names.includes(name))

test('every scenario that is chosen for kubelets exists', () => {
  expect(chosen.map(({ name }) => name).sort()).toEqual(names.toSorted())
})

defineScenarios('a real kubelet and a real kernel', {
  open: () => KubeletCluster.start(),
  scenarios: chosen,
  commandLines: false,
  timeoutMs: 600_000,
})
