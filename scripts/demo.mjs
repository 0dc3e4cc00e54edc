// `npm run demo`: installs and builds what it needs, then plays the demo. Plain JavaScript, because it runs before npm ci.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

function fail(text) {
  process.stderr.write(`demo: ${text}\n`)
  process.exit(1)
}

/** Runs a program; its output goes to standard error, so that --json stays JSON. */
function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (error) fail(`cannot run ${program}: ${error.message}`)
  if (status !== 0) fail(`${program} ${args.join(' ')} failed with status ${status}`)
}

if (major < 20 || (major === 20 && minor < 19))
  fail(`Node.js 20.19 or later is needed; this is ${process.versions.node}`)
if (!existsSync(`${root}/node_modules/.package-lock.json`)) {
  process.stderr.write('Installing the dependencies (npm ci), once ...\n')
  run('npm', ['ci', '--no-audit', '--no-fund'])
}
run(process.execPath, ['node_modules/tsx/dist/cli.mjs', 'scripts/build.ts'])
const demo = spawn(process.execPath, [`${root}/dist/kmm.js`, 'sandbox', 'demo', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
})
// The demo takes its sandbox down before it ends: wait for that.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(name, () => demo.kill(name === 'SIGHUP' ? 'SIGTERM' : name))
demo.on('error', (error) => fail(`cannot run the demo: ${error.message}`))
demo.on('close', (status, signal) => process.exit(signal ? 1 : (status ?? 1)))
