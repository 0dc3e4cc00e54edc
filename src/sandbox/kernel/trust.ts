import { type AppendedSignature, findAppendedSignature } from '../../kmod/signature.ts'
import type { Errno } from './errno.ts'
import { checkSignature } from './signature-check.ts'
import type { KernelState } from './state.ts'

/** Whether the kernel takes a file by its signature: an error, or whether it is one that it trusts. */
export type TrustOutcome = { errno: Errno; log: string[] } | { errno?: undefined; isTrusted: boolean; log: string[] }

function readSignature(data: Uint8Array): AppendedSignature | 'damaged' | undefined {
  try {
    return findAppendedSignature(data)
  } catch {
    return 'damaged'
  }
}

/** What is done with a module that nobody who is trusted has signed; `what` is what is wrong with it. */
function judgeUntrusted({ enforceSignatures, lockdown }: KernelState, what: string, log: string[]): TrustOutcome {
  if (enforceSignatures) return { errno: 'EKEYREJECTED', log: [...log, `Loading of ${what} is rejected`] }
  const restricted = 'Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7'
  return lockdown ? { errno: 'EPERM', log: [...log, restricted] } : { isTrusted: false, log }
}

/** What the kernel does first with a module file, whatever else is wrong with it. */
export function checkTrust(state: KernelState, data: Uint8Array): TrustOutcome {
  const signature = readSignature(data)
  if (signature === 'damaged') return { errno: 'EBADMSG', log: [] }
  if (signature === undefined) return judgeUntrusted(state, 'unsigned module', [])
  if (signature.form !== 'PKCS#7') {
    const log = ['module: not signed with expected PKCS#7 message']
    return judgeUntrusted(state, 'module with unsupported crypto', log)
  }
  switch (checkSignature(data, signature, state.trustedCertificates)) {
    case 'trusted':
      return { isTrusted: true, log: [] }
    case 'damaged':
      return { errno: 'EBADMSG', log: [] }
    // A signature by a trusted key under other bytes is refused without a word, even where nothing is enforced.
    case 'wrong':
      return { errno: 'EKEYREJECTED', log: [] }
    case 'unknown key':
      return judgeUntrusted(state, 'module with unavailable key', [])
  }
}
