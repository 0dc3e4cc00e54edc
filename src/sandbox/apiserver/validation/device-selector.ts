import type { Environment } from '@marcbachmann/cel-js'
import { describeCompileError } from './cel-compile-error.ts'
import { createTypedCelEnvironment } from './cel-library.ts'

/** Of quantities and versions alike. */
const comparisons = [
  ['compareTo', 'int'],
  ['isGreaterThan', 'bool'],
  ['isLessThan', 'bool'],
] as const

/** Of Kubernetes' library for devices only the types: no device is ever compared here. */
function createEnvironment(): Environment {
  const environment = createTypedCelEnvironment()
  const never = (): never => {
    throw new Error('selectors are compiled here, never run')
  }
  for (const type of ['Quantity', 'Semver']) environment.registerType(type, { fields: {} })
  environment.registerType('Device', {
    fields: {
      driver: 'string',
      allowMultipleAllocations: 'bool',
      attributes: 'map<string, map<string, dyn>>',
      capacity: 'map<string, map<string, Quantity>>',
    },
  })
  environment.registerVariable('device', 'Device')
  environment.registerFunction('quantity(string): Quantity', never)
  environment.registerFunction('semver(string): Semver', never)
  environment.registerOperator('Quantity == Quantity', never)
  for (const is of ['isQuantity', 'isSemver']) environment.registerFunction(`${is}(string): bool`, never)
  for (const [method, result] of comparisons)
    for (const type of ['Quantity', 'Semver'])
      environment.registerFunction(`${type}.${method}(${type}): ${result}`, never)
  return environment
}

/** Why the API server takes no selector with this expression; undefined where it does. */
export function explainSelector(expression: string): string | undefined {
  try {
    const result = createEnvironment().parse(expression).check()
    if (!result.valid) return `compilation failed: ${describeCompileError(expression, result.error)}`
    const { type = 'dyn' } = result
    return type === 'bool' || type === 'dyn' ? undefined : `must evaluate to bool or the unknown type, not ${type}`
  } catch (error) {
    return `compilation failed: ${describeCompileError(expression, error)}`
  }
}
