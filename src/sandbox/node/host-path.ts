import { MountFailure } from './mount-failure.ts'

/** What a host path can be asked to be. */
export type HostPathKind = 'Directory' | 'File' | 'Socket' | 'CharDevice' | 'BlockDevice'

/** Throws the kubelet's words where a host path is not what its volume's type says; `is` looks at it. */
export function failCheck(path: string, type: string, is: (kind: HostPathKind) => boolean): void {
  const kind = type.replace('OrCreate', '')
  if (kind === '' || is(kind as HostPathKind)) return
  throw new MountFailure(`hostPath type check failed: ${path} is not a ${kind.toLowerCase()}`)
}
