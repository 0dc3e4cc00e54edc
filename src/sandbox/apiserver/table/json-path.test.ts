import { describe, expect, it } from 'vitest'
import { parseJsonPath } from './json-path.ts'

const root = {
  spec: { size: 3, list: [1, 2, 3], 'odd.name': 'x', 'with/slash': 'y' },
  status: {
    conditions: [
      { type: 'Ready', status: 'True', count: 2 },
      { type: 'Progressing', status: 'False', count: 5 },
    ],
  },
}

const cases: [path: string, found: unknown[]][] = [
  ['.spec.size', [3]],
  ['{.spec.size}', [3]],
  ['$.spec.size', [3]],
  ['.spec.none.deeper', []],
  ['.spec.list[1]', [2]],
  ['.spec.list[-1]', [3]],
  ['.spec.list[9]', []],
  ['.spec.list[*]', [1, 2, 3]],
  ['.spec.list[1:]', [2, 3]],
  ["['spec']['size']", [3]],
  ['.spec["odd.name"]', ['x']],
  ['.spec.odd\\.name', ['x']],
  ['.spec.with/slash', ['y']],
  ['.status.conditions[*].type', ['Ready', 'Progressing']],
  ['.status.conditions[?(@.type=="Ready")].status', ['True']],
  [".status.conditions[?(@.type == 'Progressing')].status", ['False']],
  ['.status.conditions[?(@.type!="Ready")].type', ['Progressing']],
  ['.status.conditions[?(@.count>2)].type', ['Progressing']],
  ['.status.conditions[?(@.count<=2)].type', ['Ready']],
  ['.status.conditions[?(@.none)].type', []],
]

describe('a JSON path', () => {
  it.each(cases)('%s finds %j', (path, found) => {
    expect(parseJsonPath(path)(root)).toEqual(found)
  })

  it('that cannot be read is refused', () => {
    expect(() => parseJsonPath('.spec[?(')).toThrow(/is no simple JSON path/)
  })
})
