import type { ModuleImagesConfig } from '../../api/module-images-config.ts'

/** What the registry said at the last check of an image. */
export type CheckResult =
  | { kind: 'exists'; digest: string }
  | { kind: 'missing'; message: string }
  /** The operator could not find out. */
  | { kind: 'unknown'; reason: 'RegistryUnreachable' | 'RegistryUnauthorized' | 'ImageInvalid'; message: string }

/** A check that was made in this process. */
export interface Check {
  result: CheckResult
  atMs: number
  /** How many checks in a row did not find the image. */
  attempts: number
  /** The trigger generation for which it was made. */
  trigger: number | undefined
  /** With what it was made: credentials and TLS, as `formatAccess` writes them. */
  access: string
}

/** What `images` sees of one ModuleImagesConfig. */
export interface ObservedImages {
  config: ModuleImagesConfig
  /** By image. */
  checks: ReadonlyMap<string, Check>
  startedAtMs: number
  /** Workers fail with something that a new image under the same name could mend. */
  isDoubted: boolean
}
