import type { ModuleImagesConfig } from '../../../api/module-images-config.ts'
import type { Module } from '../../../api/module.ts'
import type { Reason } from '../../../errors/reason.ts'

/** What the content of an image that exists is looked at for. */
export interface ContentWish {
  image: string
  digest: string
  /** As the PreflightValidation writes it. */
  kernel: string
  dirName: string
  /** The module to load first, then those of its loading order; none where the Module writes modprobe's arguments itself. */
  moduleNames: readonly string[]
  /** Undefined where the Module names none. */
  firmwarePath: string | undefined
}

/** What came of looking into an image. */
export type ContentResult =
  /** It would load, as far as an image alone can tell; the words say what was seen, and what is to be thought of. */
  | { kind: 'fits'; message: string }
  | { kind: 'wrong'; message: string }
  /** The operator could not look. */
  | { kind: 'unknown'; reason: Reason; message: string }

/** A look that was taken in this process. */
export interface ContentFact {
  /** The wish, as `formatWish` writes it: it says nothing of another. */
  key: string
  /** For which it was looked; with others it is looked again, and this stands until then. */
  architectures: readonly string[]
  result: ContentResult
  atMs: number
  /** How many looks in a row ended without an answer. */
  attempts: number
  /** This process has had an answer for the ModuleImagesConfig before, whatever it was asked. */
  wasKnown: boolean
}

/** What is seen of one ModuleImagesConfig of a preflight. */
export interface ObservedContent {
  config: ModuleImagesConfig
  module: Module
  /** Undefined while there is no image to look into. */
  wish: ContentWish | undefined
  fact: ContentFact | undefined
  /** Of the nodes that the image is for, as they name them; empty where nobody knows. */
  architectures: readonly string[]
  /** Until when (epoch) a result of before the operator's start need not be looked at again; undefined where none stands. */
  standingUntilMs: number | undefined
}
