import { BuildahFailure } from './flags.ts'

/** One instruction of a stage. */
export interface Step {
  word: string
  /** As it is written. */
  rest: string
  /** The arguments that it knows. */
  values: ReadonlyMap<string, string>
}

/** What stands from one FROM to the next. */
export interface Stage {
  image: string
  name: string | undefined
  steps: Step[]
}

type Values = Map<string, string>

/** `$X` and `${X}`. */
export function substitute(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(/\$\{?(\w+)\}?/g, (_variable, name: string) => values.get(name) ?? '')
}

/** A value that was given counts before that of the file, and that of the stage before that of all. */
function declare(
  rest: string,
  given: ReadonlyMap<string, string>,
  before: ReadonlyMap<string, string>,
): [string, string] {
  const [, name = '', written] = /^(\w+)(?:=(.*))?$/.exec(rest) ?? []
  return [name, given.get(name) ?? (written === undefined ? before.get(name) : substitute(written, before)) ?? '']
}

function parseFrom(rest: string): Stage {
  const [image = '', as, name] = rest.split(/\s+/)
  if (image === '') throw new BuildahFailure('determining starting point for build: no FROM statement found')
  return { image, name: as?.toLowerCase() === 'as' ? name : undefined, steps: [] }
}

function readLines(text: string): { word: string; rest: string }[] {
  const lines = text.replaceAll('\\\n', ' ').split('\n')
  return lines
    .map((line) => /^\s*([^\s#]\S*)\s*(.*?)\s*$/.exec(line))
    .flatMap((match) => (match === null ? [] : [{ word: (match[1] ?? '').toUpperCase(), rest: match[2] ?? '' }]))
}

/** Splits a Dockerfile into stages. Throws BuildahFailure in buildah's words. */
export function parseDockerfile(text: string, buildArgs: readonly string[]): Stage[] {
  const given = new Map(buildArgs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
  const ofAll: Values = new Map()
  let values: Values = new Map()
  const stages: Stage[] = []
  for (const { word, rest } of readLines(text)) {
    const stage = stages.at(-1)
    if (word === 'FROM') {
      stages.push(parseFrom(substitute(rest, ofAll)))
      values = new Map()
    } else if (stage !== undefined) {
      if (word === 'ARG') values = new Map([...values, declare(rest, given, new Map([...ofAll, ...values]))])
      stage.steps.push({ word, rest, values })
    } else if (word === 'ARG') ofAll.set(...declare(rest, given, ofAll))
    else throw new BuildahFailure('no FROM statement found')
  }
  if (stages.length === 0) throw new BuildahFailure('building: no stages to build')
  return stages
}
