/**
 * Writes src/api/core.generated.ts, the Kubernetes types that KMM's resources embed, from Kubernetes' own OpenAPI document.
 *
 *   go mod download k8s.io/kubernetes@v1.36.2
 *   npx tsx scripts/generate-core-schemas.ts "$(go env GOMODCACHE)/k8s.io/kubernetes@v1.36.2/api/openapi-spec"
 *
 * The result is committed, so `npm run generate` needs no Go. Run it again when a newer Kubernetes adds fields.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { renderCoreTypes } from './core-schemas.ts'

const folder = process.argv[2]
if (folder === undefined) {
  console.error(
    'Usage: tsx scripts/generate-core-schemas.ts FOLDER, where FOLDER is api/openapi-spec of k8s.io/kubernetes',
  )
  process.exit(1)
}

const documents = ['api__v1_openapi.json', 'apis__resource.k8s.io__v1_openapi.json']
const definitions = documents.map((name) => {
  const document = JSON.parse(readFileSync(join(folder, 'v3', name), 'utf8'))
  return document.components.schemas
})
writeFileSync('src/api/core.generated.ts', renderCoreTypes(Object.assign({}, ...definitions)))
