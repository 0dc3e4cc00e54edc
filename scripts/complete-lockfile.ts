/**
 * Completes package-lock.json: adds the platform packages that are optional dependencies of locked packages and that the
 * registry in use did not offer, without integrity. `npm ci` refuses a lock file that lacks them, also on platforms that
 * skip them. Run after `npm install` where a registry mirrors only some platforms.
 */
import { readFileSync, writeFileSync } from 'node:fs'

interface LockedPackage {
  version?: string
  dev?: boolean
  optional?: boolean
  os?: string[]
  cpu?: string[]
  optionalDependencies?: Record<string, string>
}

const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32']
const processors: [RegExp, string][] = [
  [/arm64|aarch64/, 'arm64'],
  [/ia32/, 'ia32'],
  [/arm/, 'arm'],
  [/x64/, 'x64'],
  [/ppc64/, 'ppc64'],
  [/riscv64/, 'riscv64'],
  [/s390x/, 's390x'],
]

const path = 'package-lock.json'
const lock = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, LockedPackage> }
let added = 0
for (const owner of Object.values(lock.packages))
  for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`
    const os = systems.filter((system) => name.includes(system))
    const cpu = processors.find(([pattern]) => pattern.test(name))
    if (lock.packages[key] || os.length === 0 || !cpu) continue
    lock.packages[key] = { version, cpu: [cpu[1]], ...(owner.dev ? { dev: true } : {}), optional: true, os }
    added++
  }
const root = lock.packages[''] ?? {}
const others = Object.entries(lock.packages).filter(([key]) => key !== '')
others.sort(([left], [right]) => (left < right ? -1 : 1))
lock.packages = { '': root, ...Object.fromEntries(others) }
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`added ${added} platform packages`)
