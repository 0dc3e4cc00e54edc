import type { NodeModuleItem } from '../../api/node-modules-config.ts'
import type { Reason, ReleaseReason } from '../../errors/reason.ts'

/** What the plan says of one Module on one node. */
export type Answer =
  /** This is to be in the kernel. */
  | { kind: 'want'; item: NodeModuleItem }
  /** Whatever is there stays; where nothing is, nothing comes. `item` is what the plan has to say meanwhile, if it says something else. */
  | { kind: 'keep'; reason: Reason; message: string; item?: NodeModuleItem }
  /** It is to go. */
  | { kind: 'release'; reason: ReleaseReason; message: string }
