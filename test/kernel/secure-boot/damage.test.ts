import { defineDamage } from '../../conformance/kernel/define-damage.ts'
import { openMachineTarget } from '../machine-target.ts'

const name = 'stock Debian kernels, with Secure Boot and without'

defineDamage(name, { open: () => openMachineTarget(name), timeoutMs: 600_000 })
