import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadKubeconfig } from '../../../src/kube/kubeconfig.ts'
import { type Case, Normaliser, type Replacement } from '../observe.ts'
import type { Json } from '../compare.ts'
import { type ApiAnswer, ApiClient } from './client.ts'
import type { ApiTarget } from './target.ts'

/** What a case works with. */
export interface ApiContext {
  readonly api: ApiClient
  /** A namespace of its own; its default service account is there. */
  readonly ns: string
  /** Makes names of cluster-scoped objects unique: ten letters and digits, the first a letter. */
  readonly token: string
  /** Asks again and again until the answer satisfies, and answers with it; fails after a while. */
  readonly until: (path: string, satisfies: (answer: ApiAnswer) => boolean, timeoutMs?: number) => Promise<ApiAnswer>
  /** Resolves when nothing is at the path any more. */
  readonly gone: (path: string, timeoutMs?: number) => Promise<void>
  /** Runs kubectl in the namespace; `input` is what `-f -` reads. */
  readonly kubectl: (args: readonly string[], input?: unknown) => Promise<KubectlResult>
}

/** What kubectl printed; ages are replaced and columns are two spaces apart. */
export interface KubectlResult {
  code: number
  stdout: string[]
  stderr: string[]
}

/** A case of the API. */
export type ApiCase = Case<ApiContext>

const namespaces = '/api/v1/namespaces'

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A target with a client and a folder for kubectl, on which cases are observed one after the other or side by side. */
export class Observer {
  readonly #target: ApiTarget
  readonly #api: ApiClient
  readonly #folder: string
  readonly #kubectl: string | undefined
  readonly #host: string
  #count = 0

  private constructor(target: ApiTarget, folder: string, kubectl: string | undefined) {
    const connection = loadKubeconfig({ text: target.kubeconfig })
    this.#target = target
    this.#api = new ApiClient(connection)
    this.#folder = folder
    this.#kubectl = kubectl
    this.#host = new URL(connection.server).host
  }

  static async start(target: ApiTarget, kubectl?: string): Promise<Observer> {
    const folder = await mkdtemp(join(tmpdir(), 'kmm-conformance-'))
    await writeFile(join(folder, 'kubeconfig'), target.kubeconfig, { mode: 0o600 })
    return new Observer(target, folder, kubectl)
  }

  /** Makes the case happen in a namespace of its own; answers with what is the same in each run. */
  async observe(each: ApiCase): Promise<Json> {
    const token = `t${(Date.now() % 36 ** 5).toString(36).padStart(5, '0')}${String(this.#count++).padStart(4, '0')}`
    const ns = `ns-${token}`
    await this.#api.post(namespaces, { metadata: { name: ns } })
    await this.#until(`${namespaces}/${ns}/serviceaccounts/default`, ({ status }) => status === 200)
    const context: ApiContext = {
      api: this.#api,
      ns,
      token,
      until: (path, satisfies, timeoutMs) => this.#until(path, satisfies, timeoutMs),
      gone: async (path, timeoutMs) => void (await this.#until(path, ({ status }) => status === 404, timeoutMs)),
      kubectl: (args, input) => this.#run(['-n', ns, ...args], input),
    }
    const replacements: Replacement[] = [
      [new RegExp(ns, 'g'), '<namespace>'],
      [new RegExp(token, 'g'), '<token>'],
      [new RegExp(this.#host.replaceAll('.', '\\.'), 'g'), '<server>'],
      [new RegExp(this.#folder, 'g'), '<folder>'],
    ]
    return new Normaliser(replacements).normalise(await each.observe(context))
  }

  async stop(): Promise<void> {
    await this.#api.close()
    await this.#target.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #until(path: string, satisfies: (answer: ApiAnswer) => boolean, timeoutMs = 90_000): Promise<ApiAnswer> {
    const started = Date.now()
    for (;;) {
      const answer = await this.#api.get(path)
      if (satisfies(answer)) return answer
      if (Date.now() - started > timeoutMs)
        throw new Error(`not within ${timeoutMs / 1000} s at ${path}; last: ${JSON.stringify(answer)}`)
      await wait(this.#target.engine === 'embedded' ? 5 : 50)
    }
  }

  #run(args: readonly string[], input?: unknown): Promise<KubectlResult> {
    const env = { HOME: this.#folder, KUBECONFIG: join(this.#folder, 'kubeconfig'), PATH: process.env['PATH'] }
    return new Promise((resolve) => {
      const child = execFile(this.#kubectl ?? 'kubectl', args, { env, timeout: 40_000 }, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
        resolve({ code, stdout: tidy(stdout), stderr: tidy(stderr) })
      })
      child.stdin?.end(typeof input === 'string' ? input : input === undefined ? '' : JSON.stringify(input))
    })
  }
}

const tidy = (text: string): string[] =>
  text
    .split('\n')
    .map((line) =>
      line
        .replace(/(?<![-\w])(\d+[smhd]){1,2}(?![-\w])/g, '<age>')
        .replace(/(?<=\S) {2,}/g, '  ')
        .trimEnd(),
    )
    .filter((line, index, lines) => line !== '' || index < lines.length - 1)
