import { defineConfig } from 'vitest/config'

/** The suite on real kernels: `npm run test:kernel`. */
export default defineConfig({
  test: {
    include: ['test/kernel/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts', 'test/kernel/tally-setup.ts'],
    // A cold cache fetches and boots kernels first.
    testTimeout: 600_000,
    hookTimeout: 900_000,
    pool: 'forks',
    isolate: false,
    // One emulated machine takes a whole processor while it boots.
    maxWorkers: 1,
    fileParallelism: false,
  },
})
