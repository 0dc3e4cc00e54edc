import type { Module, ModuleLoader, ModuleSpec } from '../../api/module.ts'
import { mostNameCharacters } from '../../api/labels.ts'
import type { FieldError } from '../../api/schema/field-error.ts'
import { isEqualJson } from '../../kube/json.ts'
import { compilePatterns } from './compiled-patterns.ts'
import type { ServerVersion } from '../../kube/server-version.ts'
import { validateDra } from './dra.ts'
import { type Findings, when, wrong } from './finding.ts'
import { warnOfImages } from './images.ts'
import { warnOfInTreeForms } from './in-tree.ts'
import { validateMappings } from './mappings.ts'
import { validateModprobe } from './modprobe.ts'
import { warnOfPatterns } from './patterns.ts'
import { validateSigning } from './signing.ts'
import { validateTolerations } from './tolerations.ts'
import { warnOfUnloadPolicy } from './unload-policy.ts'
import { warnOfVariables } from './variables.ts'
import { validateVersionChange, warnOfName, warnOfVersion } from './version.ts'
import { validateVolumes } from './volumes.ts'

/** What the rules need to know besides the object. */
export interface ModuleRulesOptions {
  /** Of the cluster that the Module is for; absent where that is another one. */
  serverVersion?: ServerVersion
}

/** What an update may carry although it would be refused today: an unchanged spec, or the deletion of the object. */
export function isExempt(
  object: { metadata: { deletionTimestamp?: string }; spec?: unknown },
  old: { spec?: unknown },
): boolean {
  return object.metadata.deletionTimestamp !== undefined || isEqualJson(object.spec, old.spec)
}

/**
 * Everything that is wrong with a Module, and what is surely not meant, by upstream's rules. `old` is what an update replaces.
 * Both in-tree forms together are a warning; upstream refuses them.
 */
export function validateModule(module: Module, old?: Module, options: ModuleRulesOptions = {}): Findings {
  const ofPolicy = warnOfUnloadPolicy(module.metadata, old?.metadata)
  if (old !== undefined && isExempt(module, old)) return { errors: [], warnings: ofPolicy }
  const { name, namespace } = module.metadata
  const findings = validateModuleSpec(module.spec, old?.spec, { ...options, path: 'spec' })
  return {
    errors: [...validateLength(name, namespace), ...findings.errors],
    warnings: [...ofPolicy, ...(old === undefined ? warnOfName(name) : []), ...findings.warnings],
  }
}

function validateLength(name: string, namespace: string): FieldError[] {
  const length = name.length + namespace.length
  return when(length > mostNameCharacters, () =>
    wrong(
      'metadata.name',
      `name and namespace together have ${length} characters, and labels of nodes have room for ${mostNameCharacters}; shorten one of them`,
    ),
  )
}

/** The same for a spec alone, wherever `path` says that it stands. */
export function validateModuleSpec(
  spec: ModuleSpec | undefined,
  old: ModuleSpec | undefined,
  { path, serverVersion }: ModuleRulesOptions & { path: string },
): Findings {
  if (spec === undefined) return { errors: [], warnings: [] }
  const loader = validateLoader(spec.moduleLoader, `${path}.moduleLoader.container`)
  return {
    errors: [
      ...(old === undefined ? [] : validateVersionChange(spec, old, path)),
      ...validateTolerations(spec.tolerations ?? [], `${path}.tolerations`),
      ...(spec.dra === undefined ? [] : validateDra(spec.dra, `${path}.dra`, serverVersion)),
      ...validateVolumes(spec.dra?.volumes ?? [], `${path}.dra.volumes`),
      ...validateVolumes(spec.devicePlugin?.volumes ?? [], `${path}.devicePlugin.volumes`),
      ...loader.errors,
    ],
    warnings: [...loader.warnings, ...warnOfVersion(spec, path)],
  }
}

function validateLoader(loader: ModuleLoader | undefined, path: string): Findings {
  if (loader === undefined) return { errors: [], warnings: [] }
  const { container } = loader
  const patterns = compilePatterns(container.kernelMappings)
  return {
    errors: [
      ...validateMappings(container, patterns, path),
      ...validateModprobe(container.modprobe, `${path}.modprobe`),
      ...validateSigning(container, path),
    ],
    warnings: [
      ...warnOfInTreeForms(container, path),
      ...warnOfPatterns(container.kernelMappings, patterns, `${path}.kernelMappings`),
      ...warnOfImages(container, path),
      ...warnOfVariables(container, path),
    ],
  }
}
