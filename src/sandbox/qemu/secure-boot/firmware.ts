import { existsSync } from 'node:fs'
import { KmmError } from '../../../errors/error.ts'
import type { MachineFirmware } from '../machine-options.ts'

/** The build of OVMF that knows Secure Boot and lets nobody but itself write to its flash; and flash without variables. */
const files = { code: '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd', variables: '/usr/share/OVMF/OVMF_VARS_4M.fd' }

/**
 * Firmware with Secure Boot on that trusts one certificate (PEM): a node with it enforces the signatures of modules. Fails with
 * `ConfigurationInvalid` where the firmware is not installed.
 */
export function trustOnly(certificate: string): MachineFirmware {
  const missing = Object.values(files).filter((file) => !existsSync(file))
  if (missing.length === 0) return { ...files, trusts: certificate }
  throw new KmmError(
    `machines with Secure Boot need ${missing.join(' and ')} of Debian's package ovmf: run scripts/install-test-tools.sh, which installs it`,
    { code: 'ConfigurationInvalid', fate: 'terminal' },
  )
}
