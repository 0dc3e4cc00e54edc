import { type Design, kernels, tags } from './design.ts'
import type { World } from './world.ts'

/** What Modules select nodes by. */
export const selectors: readonly Record<string, string>[] = [{ role: 'worker' }, { tier: 'gold' }, {}, { role: 'edge' }]

const policies = [undefined, 'OnDelete', 'OnTaint', 'Never'] as const

type Change = (design: Design, world: World) => Partial<Design>

/** Changes of a Module; those that concern the kernel come more often. */
export const changes: readonly Change[] = [
  (design, { chance }) => ({ tag: chance.pick(tags.filter((tag) => tag !== design.tag)) }),
  (design, { chance }) => ({ tag: chance.pick(tags.filter((tag) => tag !== design.tag)) }),
  ({ parameters }) => ({ parameters: (parameters + 1) % 3 }),
  ({ pullPolicy }) => ({ pullPolicy: pullPolicy === 'Always' ? 'IfNotPresent' : 'Always' }),
  ({ tolerates }) => ({ tolerates: !tolerates }),
  (_, { chance }) => ({ selector: chance.pick(selectors) }),
  ({ kernels: present }) => ({ kernels: present.length === 1 ? kernels : present.slice(0, present.length - 1) }),
  ({ plugin }) => ({ plugin: (plugin + 1) % 3 }),
  ({ loads, plugin }) => ({ loads: !loads, plugin: Math.max(plugin, 1) }),
]

/** Those that come besides in a wild run. */
export const wildChanges: readonly Change[] = [
  ...changes,
  ({ dra, plugin }) => ({ dra: !dra, plugin: Math.max(plugin, 1) }),
  ({ policy }, { chance }) => ({ policy: chance.pick(policies.filter((each) => each !== policy)) }),
]
