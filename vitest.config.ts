import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Modules keep no state, so files can share a process: loading them anew for each costs half of the time.
    isolate: false,
    // Scenarios mostly wait for the processes of virtual nodes.
    maxWorkers: 3,
  },
})
