import pc from 'picocolors'

/** One thing that happened in the demo: a word for programs, fields, and a sentence for people. */
export interface StoryEvent {
  event: string
  text: string
  fields?: Record<string, unknown>
}

/** Tells the story, as sentences or as one JSON object a line. */
export interface Narrator {
  /** A new chapter. */
  chapter(text: string): void
  tell(event: StoryEvent): void
  /** A block of text that a command of kubectl would print. */
  show(command: string, output: string): void
}

/** Makes a narrator that writes lines; `now` and the moment of the start make the times. */
export function createNarrator(options: { json: boolean; write: (line: string) => void; now: () => number }): Narrator {
  const startMs = options.now()
  const seconds = (): number => Math.round((options.now() - startMs) / 10) / 100
  if (options.json) {
    const write = (object: object): void => options.write(JSON.stringify(object))
    return {
      chapter: (text) => write({ at: seconds(), event: 'chapter', text }),
      tell: ({ event, text, fields }) => write({ at: seconds(), event, ...fields, text }),
      show: (command, output) => write({ at: seconds(), event: 'output', command, output }),
    }
  }
  const stamp = (): string => pc.dim(`${seconds().toFixed(1).padStart(5)} s`)
  return {
    chapter: (text) => options.write(`\n${pc.bold(text)}`),
    tell: ({ text }) => options.write(`${stamp()}  ${text}`),
    show: (command, output) => {
      options.write(`\n        ${pc.cyan(`$ ${command}`)}`)
      for (const line of output.trimEnd().split('\n')) options.write(`        ${line}`)
      options.write('')
    },
  }
}
