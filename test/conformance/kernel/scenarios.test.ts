import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { chooseEngine } from '../../scenario/engine.ts'
import { writeBuildah } from '../../stand-in/buildah.ts'
import { openVirtualTarget } from '../virtual-target.ts'
import { defineScenarios } from './define.ts'
import { scenarios } from './scenarios.ts'

const engine = process.env['KMM_TEST_ENGINE'] ?? 'embedded'
const name = `virtual kernels, ${engine} API server`

const folder = await mkdtemp(join(tmpdir(), 'kmm-scenarios-'))
afterAll(() => rm(folder, { recursive: true }))

defineScenarios(name, {
  open: async () => {
    // Anybody can run these, also without buildah; where there is a real control plane there is a real buildah too.
    const builder = engine === 'embedded' ? { buildahProgram: await writeBuildah(folder) } : {}
    return openVirtualTarget(name, { ...(await chooseEngine()), ...builder })
  },
  scenarios,
  concurrently: true,
  timeoutMs: engine === 'embedded' ? 90_000 : 300_000,
})
