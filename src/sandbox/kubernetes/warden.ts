import { type ChildProcess, spawn } from 'node:child_process'

/**
 * What the warden runs: it reads lines until the pipe from us ends. Unless we took leave before, we are gone, and it ends
 * what we have left.
 */
const program = `
const fs = require('node:fs')
const pids = new Set()
const folders = new Set()
let text = ''
process.on('SIGTERM', () => {}).on('SIGINT', () => {}).on('SIGHUP', () => {})
process.stdin.on('data', (chunk) => {
  const lines = (text + chunk).split('\\n')
  text = lines.pop()
  for (const line of lines) {
    const [word, value] = JSON.parse(line)
    if (word === 'watch') pids.add(value)
    if (word === 'forget') pids.delete(value)
    if (word === 'folder') folders.add(value)
    if (word === 'leave') process.exit(0)
  }
})
process.stdin.on('end', () => {
  for (const pid of pids) try { process.kill(pid, 'SIGKILL') } catch {}
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
})
`

/** A process beside ours that ends our servers and removes our folder if we should end without doing so. */
export class Warden {
  readonly #child: ChildProcess

  constructor(folder: string) {
    const argv = ['-e', program]
    this.#child = spawn(process.execPath, argv, { stdio: ['pipe', 'ignore', 'ignore'], detached: true, env: {} })
    this.#child.unref()
    // Without a warden everything works but the last resort.
    this.#child.on('error', () => undefined)
    this.#child.stdin?.on('error', () => undefined)
    this.#say('folder', folder)
  }

  watch(pid: number): void {
    this.#say('watch', pid)
  }

  forget(pid: number): void {
    this.#say('forget', pid)
  }

  /** Ends the warden: everything is stopped. */
  async leave(): Promise<void> {
    const { exitCode, signalCode } = this.#child
    if (exitCode !== null || signalCode !== null) return
    this.#child.ref()
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#say('leave', '')
    await gone
  }

  #say(word: string, value: string | number): void {
    this.#child.stdin?.write(`${JSON.stringify([word, value])}\n`)
  }
}
