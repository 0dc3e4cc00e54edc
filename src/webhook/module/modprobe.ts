import type { ModprobeSpec } from '../../api/module.ts'
import type { FieldError } from '../../api/schema/field-error.ts'
import { nonEmpty } from '../../kernel/merge.ts'
import { missing, quote, when, wrong } from './finding.ts'

/** Upstream's Module rule 7: either a module's name or the whole arguments, and an order that begins with the name. */
export function validateModprobe(modprobe: ModprobeSpec, path: string): FieldError[] {
  return [...validateName(modprobe, path), ...validateOrder(modprobe, `${path}.modulesLoadingOrder`)]
}

function validateName({ moduleName = '', rawArgs }: ModprobeSpec, path: string): FieldError[] {
  return (['load', 'unload'] as const).flatMap((direction) => {
    const isGiven = (rawArgs?.[direction]?.length ?? 0) > 0
    const at = `${path}.rawArgs.${direction}`
    if (moduleName === '')
      return when(!isGiven, () => missing(at, 'is needed where there is no moduleName; set it, or moduleName'))
    return when(isGiven, () => wrong(at, 'replaces the whole command line, and moduleName with it; remove one of them'))
  })
}

function validateOrder({ moduleName, modulesLoadingOrder: order }: ModprobeSpec, path: string): FieldError[] {
  if (order === undefined) return []
  const name = nonEmpty(moduleName)
  const seen = new Set<string>()
  const duplicates = order.flatMap((each, index) => {
    const isDuplicate = seen.has(each)
    seen.add(each)
    return when(isDuplicate, () =>
      wrong(`${path}[${index}]`, `${quote(each)} is in the list already`, 'FieldValueDuplicate'),
    )
  })
  return [
    ...when(order.length < 2, () => wrong(path, 'orders at least two modules; add one, or remove the list')),
    ...when(name === undefined, () => wrong(path, 'needs moduleName, with which it must begin')),
    ...when(name !== undefined && order.length > 0 && order[0] !== name, () =>
      wrong(`${path}[0]`, `must be moduleName, ${quote(name ?? '')}: the first of the list is loaded last`),
    ),
    ...duplicates,
  ]
}
