import type { ApiObject } from '../../src/sandbox/apiserver/object.ts'

/** A plugin of a Module without a kernel module runs wherever the Module's selector says. */
export function needsModule({ spec }: ApiObject): boolean {
  const { nodeSelector = {} } = (spec ?? {}) as { nodeSelector?: Record<string, string> }
  return Object.keys(nodeSelector).some((label) => label.endsWith('.ready'))
}
