import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The longest first, so that none of them is left alone at the end: the kill harness, then the other scenarios. */
const weights: [string, number][] = [
  ['test/scenario/kill.test.ts', 2],
  ['test/', 1],
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const weigh = ({ moduleId }: TestSpecification): number =>
      weights.find(([part]) => moduleId.includes(`/${part}`))?.[1] ?? 0
    const sorted = await super.sort(files)
    return sorted.toSorted((left, right) => weigh(right) - weigh(left))
  }
}

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts'],
    // Need real parts: npm run test:kernel, npm run test:cluster.
    exclude: ['test/kernel/**', 'test/control-plane/**'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Modules keep no state, so files can share a process: loading them anew for each costs half of the time.
    isolate: false,
    // Scenarios mostly wait for the processes of virtual nodes.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
  },
})
