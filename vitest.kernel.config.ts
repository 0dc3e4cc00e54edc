import { defineConfig } from 'vitest/config'
import { longestFirst } from './scripts/longest-first.ts'

/** What takes longest, to begin with. */
const longest = [
  'kubelet/scenarios.test.ts',
  'kernel/machine-scenarios.test.ts',
  'kubelet/build-and-sign.test.ts',
  'kubelet/worker-pod.test.ts',
]

/** The suite on real kernels: `npm run test:kernel`. */
export default defineConfig({
  test: {
    include: ['test/kernel/**/*.test.ts'],
    env: { KMM_TEST_KERNEL: 'real' },
    globalSetup: ['test/global-setup.ts', 'test/kernel/tally-setup.ts'],
    // A cold cache fetches and boots kernels first.
    testTimeout: 600_000,
    hookTimeout: 900_000,
    pool: 'forks',
    isolate: false,
    // An emulated machine takes a whole processor while it boots, and half of one in the long run.
    maxWorkers: 2,
    sequence: { sequencer: longestFirst(longest) },
  },
})
