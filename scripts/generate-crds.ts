import { stringify } from 'yaml'
import { customResourceDefinitions } from '../src/api/crds.ts'
import type { GeneratedFile } from './generated-file.ts'

/** Where the CustomResourceDefinitions are written. */
export const crdFolder = 'deploy/crds'

/** One YAML file for each CustomResourceDefinition, named `<group>_<plural>.yaml`. */
export function renderCrds(): GeneratedFile[] {
  return customResourceDefinitions.map((definition) => {
    const { group, names } = definition.spec
    const text = stringify(definition, { aliasDuplicateObjects: false, lineWidth: 0, version: '1.1' })
    return {
      path: `${crdFolder}/${group}_${names.plural}.yaml`,
      text: `# Written by npm run generate from src/api/. Do not edit.\n${text}`,
    }
  })
}
