import { describe, expect, it } from 'vitest'
import { explainSelector } from './device-selector.ts'

describe('an expression that selects devices', () => {
  it.each([
    'true',
    'device.driver == "gpu.example.com"',
    'device.allowMultipleAllocations',
    'device.attributes["gpu.example.com"].model == "a" && !("b" in device.attributes)',
    'device.attributes["gpu.example.com"].?family.orValue("none").matches("^a")',
    'device.attributes["gpu.example.com"].version.compareTo(semver("1.2.0")) >= 0',
    'device.capacity["gpu.example.com"].memory.compareTo(quantity("1Gi")) >= 0',
    'device.capacity["gpu.example.com"].memory.isLessThan(quantity("1Gi"))',
    'device.attributes["gpu.example.com"].fast',
  ])('is taken: %s', (expression) => {
    expect(explainSelector(expression)).toBeUndefined()
  })

  const refused: [string, string][] = [
    ['', 'compilation failed: ERROR: '],
    ['device.driver ==', 'compilation failed: ERROR: <input>:1:17: Syntax error: '],
    ['foo == 1', "undeclared reference to 'foo'"],
    ['device.nix == 1', "undefined field 'nix'"],
    ['device.driver == 3', "found no matching overload for '_==_' applied to '(string, int)'"],
    ['device.capacity["a.b"].memory == 3', "found no matching overload for '_==_' applied to '(Quantity, int)'"],
    ['device.driver', 'must evaluate to bool or the unknown type, not string'],
  ]
  it.each(refused)('is refused: %s', (expression, words) => {
    expect(explainSelector(expression)).toContain(words)
  })
})
