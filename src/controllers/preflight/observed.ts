import type { Module } from '../../api/module.ts'
import type { ModuleImagesConfig } from '../../api/module-images-config.ts'
import type { PreflightValidation } from '../../api/preflight-validation.ts'
import type { MappingAnswer } from '../cluster/answer-mapping.ts'
import type { ContentFact } from './content/observed.ts'

/** The API server refused a ModuleImagesConfig. */
export interface Refusal {
  /** Uid of the PreflightValidation. */
  preflight: string
  message: string
  attempts: number
  /** When to try again, epoch. */
  untilMs: number
}

/** One Module that a PreflightValidation is about. */
export interface CheckedModule {
  module: Module
  /** What it means for the kernel. */
  mapping: MappingAnswer
  /** The name that its ModuleImagesConfig has, or is to have. */
  configName: string
  config: ModuleImagesConfig | undefined
  /** What was seen in the image last, whatever was asked. */
  content: ContentFact | undefined
  refusal: Refusal | undefined
}

/** What `preflight` sees of one PreflightValidation. */
export interface ObservedPreflight {
  preflight: PreflightValidation
  /** By namespace and name; those that are being deleted are left out. */
  modules: readonly CheckedModule[]
  /** Its ModuleImagesConfigs that are of no Module, or have a name that a Module needs. */
  leftOver: readonly ModuleImagesConfig[]
  /** When its status was last written by this process (epoch). */
  lastWriteMs: number
}
