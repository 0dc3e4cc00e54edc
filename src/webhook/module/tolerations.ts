import type { Toleration } from '../../api/module.ts'
import type { FieldError } from '../../api/schema/field-error.ts'
import { missing, quote, when, wrong } from './finding.ts'
import { isLabelValue, isQualifiedName } from './names.ts'

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

/** Whatever the API server would refuse in the tolerations of a pod (upstream: Module rule 2). */
export function validateTolerations(tolerations: readonly Toleration[], path: string): FieldError[] {
  return tolerations.flatMap((toleration, index) => validateToleration(toleration, `${path}[${index}]`))
}

function validateToleration(toleration: Toleration, path: string): FieldError[] {
  const { key = '', operator = '', effect = '', tolerationSeconds } = toleration
  return [
    ...when(key !== '' && !isQualifiedName(key), () =>
      wrong(`${path}.key`, `${quote(key)} is not the key of a taint; write it as example.com/name or name`),
    ),
    ...when(key === '' && operator !== 'Exists', () =>
      missing(`${path}.key`, 'without a key the operator must be Exists, which tolerates every taint; set one of them'),
    ),
    ...when(tolerationSeconds !== undefined && effect !== 'NoExecute', () =>
      wrong(
        `${path}.tolerationSeconds`,
        'means something with the effect NoExecute only; set that effect or remove it',
      ),
    ),
    ...validateValue(toleration, path),
    ...when(effect !== '' && !effects.includes(effect), () =>
      wrong(`${path}.effect`, `${quote(effect)} is not one of ${effects.join(', ')}`, 'FieldValueNotSupported'),
    ),
  ]
}

function validateValue({ operator = '', value = '' }: Toleration, path: string): FieldError[] {
  if (operator === 'Exists')
    return when(value !== '', () => wrong(`${path}.value`, 'must be empty, as the operator is Exists'))
  if (operator === 'Equal' || operator === '')
    return when(!isLabelValue(value), () =>
      wrong(
        `${path}.value`,
        `${quote(value)} is not the value of a taint: at most 63 letters, digits, "-", "_" and ".", with a letter or digit at both ends`,
      ),
    )
  return [wrong(`${path}.operator`, `${quote(operator)} is not one of Equal, Exists`, 'FieldValueNotSupported')]
}
