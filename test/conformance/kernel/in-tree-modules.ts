import type { InTreeModule } from '../../../src/sandbox/kernel/virtual-kernel.ts'

/** Modules of Debian's own tree that load on any machine, as far as a virtual kernel has to know them. */
export const inTreeModules: Readonly<Record<string, InTreeModule>> = {
  dummy: { folder: 'kernel/drivers/net' },
  ifb: { folder: 'kernel/drivers/net' },
  slhc: { folder: 'kernel/drivers/net/slip' },
  ppp_generic: { folder: 'kernel/drivers/net/ppp', depends: ['slhc'] },
  'crc-itu-t': { folder: 'kernel/lib', exports: ['crc_itu_t', 'crc_itu_t_table'] },
}
