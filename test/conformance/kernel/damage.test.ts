import { openVirtualTarget } from '../virtual-target.ts'
import { defineDamage } from './define-damage.ts'

const name = 'virtual kernels on the sandbox'

defineDamage(name, { open: () => openVirtualTarget(name) })
