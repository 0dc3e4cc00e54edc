import { defineConfig } from 'vitest/config'

/** The suite on a real control plane: `npm run test:cluster`. */
export default defineConfig({
  test: {
    include: ['test/control-plane/**/*.test.ts', 'test/conformance/**/*.test.ts', 'test/scenario/**/*.test.ts'],
    exclude: [
      // Looks at every write from inside the API server, which only the one in this process allows.
      'test/scenario/kill.test.ts',
      // Counts on the speed of that one.
      'test/scenario/kill.images.test.ts',
      // These are about the embedded API server and virtual kernels alone.
      'test/conformance/**/can-fail.test.ts',
      'test/conformance/kernel/damage.test.ts',
    ],
    globalSetup: ['test/global-setup.ts', 'test/control-plane/setup.ts'],
    env: { KMM_TEST_ENGINE: 'kubernetes' },
    // A real cluster takes 6 s to miss a node and a minute to collect the pods of one that is gone.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    pool: 'forks',
    isolate: false,
    // Each has a control plane of its own, which takes a processor while it starts.
    maxWorkers: 2,
  },
})
