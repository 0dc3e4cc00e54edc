import type { ModuleLoaderContainer, Sign } from '../../api/module.ts'
import { describeError, KmmError } from '../../errors/error.ts'
import { substitute } from '../../kernel/substitution.ts'
import { listImageVariables } from '../../kernel/variables.ts'
import { quote } from './finding.ts'

/** Any kernel and Module: only which names there are counts here. */
const known = new Set(listImageVariables('1.2.3', { name: 'm', namespace: 'n' }).keys())

/** More of them in one template help nobody. */
const mostNames = 5

/** Remembers which variables are asked for; all are unset. */
class Recorder extends Map<string, string> {
  readonly asked = new Set<string>()

  override get(name: string): undefined {
    this.asked.add(name)
  }
}

/** The variables that a template names, or why it is none. */
export function listVariables(template: string): { names: ReadonlySet<string>; fault?: string } {
  const recorder = new Recorder()
  try {
    substitute(template, recorder)
    return { names: recorder.asked }
  } catch (error) {
    if (error instanceof KmmError) return { names: recorder.asked, fault: describeError(error) }
    throw error
  }
}

/** True when the text differs from kernel to kernel. */
export function variesByKernel(template: string): boolean {
  return [...listVariables(template).names].some((name) => name.startsWith('KERNEL_') && known.has(name))
}

/** Variables that KMM does not set, and templates that cannot be read; both are accepted (upstream). */
export function warnOfVariables(container: ModuleLoaderContainer, path: string): string[] {
  const places: { path: string; fields: Pick<ModuleLoaderContainer, 'containerImage' | 'sign'> }[] = [
    { path, fields: container },
    ...container.kernelMappings.map((fields, index) => ({ path: `${path}.kernelMappings[${index}]`, fields })),
  ]
  return places.flatMap(({ path: at, fields }) => [
    ...warnOfTemplate(fields.containerImage, `${at}.containerImage`),
    ...warnOfSign(fields.sign, `${at}.sign`),
  ])
}

function warnOfSign(sign: Sign | undefined, path: string): string[] {
  return [
    ...warnOfTemplate(sign?.unsignedImage, `${path}.unsignedImage`),
    ...(sign?.filesToSign ?? []).flatMap((file, index) => warnOfTemplate(file, `${path}.filesToSign[${index}]`)),
  ]
}

function warnOfTemplate(template: string | undefined, path: string): string[] {
  if (template === undefined) return []
  const { names, fault } = listVariables(template)
  if (fault !== undefined) return [`${path}: ${fault}`]
  return [...names]
    .filter((name) => !known.has(name))
    .slice(0, mostNames)
    .map((name) => `${path}: ${quote(name)} is no variable of KMM, so it is empty; there are ${[...known].join(', ')}`)
}
