import { openVirtualTarget } from '../virtual-target.ts'
import { defineScenarios } from './define.ts'
import { scenarios } from './scenarios.ts'

defineScenarios('virtual kernels on the sandbox', {
  open: () => openVirtualTarget('virtual kernels on the sandbox'),
  scenarios,
  concurrently: true,
})
