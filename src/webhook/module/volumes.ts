import { posix } from 'node:path'
import type { Volume } from '../../api/core.generated.ts'
import type { FieldError } from '../../api/schema/field-error.ts'
import { quote, when, wrong } from './finding.ts'

const allowedRoots = ['/dev', '/sys', '/var', '/opt', '/run']

/** Which folders of the host device plugins and DRA drivers may mount (upstream: Module rule 4). */
export function validateVolumes(volumes: readonly Volume[], path: string): FieldError[] {
  return volumes.flatMap(({ hostPath }, index) => {
    if (hostPath === undefined) return []
    const cleaned = cleanPath(hostPath.path)
    const isAllowed = allowedRoots.some((root) => cleaned === root || cleaned.startsWith(`${root}/`))
    return when(!isAllowed, () =>
      wrong(
        `${path}[${index}].hostPath.path`,
        `${quote(hostPath.path)} is not allowed: it must be, or be below, one of ${allowedRoots.join(', ')}`,
      ),
    )
  })
}

/** As Go's `filepath.Clean`: no `..`, no doubled slash, none at the end. */
function cleanPath(path: string): string {
  const normal = posix.normalize(path)
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal
}
