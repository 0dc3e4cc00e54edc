import { defineConfig } from 'vitest/config'
import { longestFirst } from './scripts/longest-first.ts'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts'],
    // Need real parts: npm run test:kernel, npm run test:cluster.
    exclude: ['test/kernel/**', 'test/control-plane/**'],
    globalSetup: ['test/global-setup.ts'],
    // Several waits of a scenario can follow one another; each says itself what it has waited for.
    testTimeout: 180_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Modules keep no state, so files can share a process: loading them anew for each costs half of the time.
    isolate: false,
    // Scenarios mostly wait for the processes of virtual nodes.
    maxWorkers: 3,
    // So that none of the long ones is left alone at the end: the kill harnesses, then the other scenarios.
    sequence: { sequencer: longestFirst(['test/scenario/kill.test.ts', 'test/scenario/kill.images.test.ts', 'test/']) },
  },
})
