import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The longest first, and side by side. */
const longest = ['kubelet/scenarios.test.ts', 'machine-scenarios.test.ts', 'kubelet/worker-pod.test.ts']

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const found = longest.findIndex((name) => moduleId.endsWith(name))
      return found < 0 ? longest.length : found
    }
    const sorted = await super.sort(files)
    return sorted.toSorted((left, right) => place(left) - place(right))
  }
}

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
    // An emulated machine takes a whole processor while it boots, and half of one in the long run.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
  },
})
