import { chooseEngine } from '../../scenario/engine.ts'
import { openVirtualTarget } from '../virtual-target.ts'
import { defineScenarios } from './define.ts'
import { scenarios } from './scenarios.ts'

const engine = process.env['KMM_TEST_ENGINE'] ?? 'embedded'
const name = `virtual kernels, ${engine} API server`

defineScenarios(name, {
  open: async () => openVirtualTarget(name, await chooseEngine()),
  scenarios,
  concurrently: true,
  timeoutMs: engine === 'embedded' ? 90_000 : 300_000,
})
