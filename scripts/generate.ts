/** `npm run generate`: writes every generated file; with `--check` fails when one is out of date, and names it. */
import { crdFolder, renderCrds } from './generate-crds.ts'
import { renderWebhookConfigurations, webhookFolder } from './generate-webhook.ts'
import { findLeftovers, findOutdated, writeGenerated } from './generated-file.ts'

const files = [...renderCrds(), ...renderWebhookConfigurations()]
const folders = [crdFolder, webhookFolder]

if (process.argv.includes('--check')) {
  const outdated = findOutdated('.', files)
  const leftovers = findLeftovers('.', files, folders)
  for (const path of outdated) console.error(`${path} is out of date: run npm run generate and commit the result`)
  for (const path of leftovers) console.error(`${path} is no longer generated: run npm run generate, which removes it`)
  process.exitCode = outdated.length + leftovers.length === 0 ? 0 : 1
} else {
  const touched = writeGenerated('.', files, folders)
  console.log(touched.length === 0 ? 'everything is up to date' : touched.join('\n'))
}
