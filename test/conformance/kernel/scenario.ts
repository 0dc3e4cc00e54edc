import type { ReportReason } from '../../../src/errors/reason.ts'
import type { Story } from './story.ts'

/** Something that happens to a kernel, written once for every target. */
export interface Scenario {
  /** Names it in the recording; letters and hyphens. */
  name: string
  /** A sentence. */
  title: string
  /** What a worker says in its course; scripts/reasons.test.ts sees to it that each reason is said in some test. */
  says?: ReportReason
  /** It shakes what others use (operator, registry, worker image), and so is played by itself. */
  alone?: boolean
  play: (story: Story) => Promise<void>
}
