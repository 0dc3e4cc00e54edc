import { afterAll, beforeAll, describe, it } from 'vitest'
import type { NodeWish, Target } from '../target.ts'
import { collectDamageLines } from './damage.ts'
import { expectRecorded } from './define.ts'
import type { Recording } from './recording.ts'

/** Where module files with which something is wrong are tried. */
export interface DamageOptions {
  open: () => Promise<Target>
  timeoutMs?: number
}

const tries: readonly { recording: Recording; title: string; wish: Partial<NodeWish> }[] = [
  { recording: 'damage', title: 'has modprobe and the kernel refuse damaged module files as real ones do', wish: {} },
  {
    recording: 'enforced',
    title: 'has the kernel look at signatures first where they are enforced, as a real one does',
    wish: { enforcing: true },
  },
]

/** Defines the tests that compare what modprobe and the kernel say to module files with what real ones were heard to say. */
export function defineDamage(name: string, { open, timeoutMs = 60_000 }: DamageOptions): void {
  describe(name, () => {
    let target: Target
    beforeAll(async () => {
      target = await open()
    }, 600_000)
    afterAll(() => target?.stop(), 60_000)

    for (const { recording, title, wish } of tries)
      it(
        title,
        async () => {
          const node = await target.openNode({ name: recording, ...wish })
          try {
            expectRecorded(recording, await collectDamageLines(node))
          } finally {
            await node.close()
          }
        },
        timeoutMs,
      )
  })
}
