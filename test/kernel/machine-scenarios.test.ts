import { defineScenarios } from '../conformance/kernel/define.ts'
import { scenarios } from '../conformance/kernel/scenarios.ts'
import { openMachineTarget } from './machine-target.ts'

const name = 'stock Debian kernels under nodes of the sandbox'

defineScenarios(name, { open: () => openMachineTarget(name), scenarios, timeoutMs: 600_000 })
