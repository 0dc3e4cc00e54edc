import { BaseSequencer, type TestSpecification, type TestSequencerConstructor } from 'vitest/node'

/** Sorts the files whose paths contain one of these parts to the front, in the order of the parts. */
export function longestFirst(parts: readonly string[]): TestSequencerConstructor {
  return class extends BaseSequencer {
    override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
      const place = ({ moduleId }: TestSpecification): number => {
        const found = parts.findIndex((part) => moduleId.includes(`/${part}`))
        return found < 0 ? parts.length : found
      }
      const sorted = await super.sort(files)
      return sorted.toSorted((left, right) => place(left) - place(right))
    }
  }
}
