import { readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, it } from 'vitest'

const statement = /^import\s+(type\s+)?([^'"]*?)from\s+'([^']+)'/gm

/** The files that a file takes values from; types say nothing of what is right. */
function listImports(path: string): string[] {
  return [...readFileSync(path, 'utf8').matchAll(statement)].flatMap(([, isType, names = '', from = '']) => {
    const values = names.replace(/[{}]/g, '').split(',')
    const isOnlyTypes = isType !== undefined || values.every((name) => /^\s*(type\s|$)/.test(name))
    return isOnlyTypes || !from.startsWith('.') ? [] : [join(dirname(path), from)]
  })
}

function listReached(path: string, reached = new Set<string>()): Set<string> {
  if (reached.has(path)) return reached
  reached.add(path)
  for (const each of listImports(path)) listReached(each, reached)
  return reached
}

const root = resolve('.')

it.each(['oracle.ts', 'oracle-objects.ts', 'invariants.ts', 'facts.ts', 'kernel.ts'])(
  '%s shares no code with what it judges',
  (name) => {
    const reached = [...listReached(join(root, 'test/model', name))].map((path) => relative(root, path))
    expect(reached).toContain(join('test/model', name))
    const judged = /^src\/(controllers|kernel|runtime|main|image|oci|worker)\/|module-config\.ts$/
    expect(reached.filter((path) => judged.test(path))).toEqual([])
  },
)

it('is seen to, because the world itself runs what is judged', () => {
  const reached = [...listReached(join(root, 'test/model/world.ts'))].map((path) => relative(root, path))
  expect(reached).toContain(join('src', 'controllers', 'plan', 'answer.ts'))
})
