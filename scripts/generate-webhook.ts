import { stringify } from 'yaml'
import { hubConfiguration, operatorConfiguration } from '../src/webhook/configuration.ts'
import type { GeneratedFile } from './generated-file.ts'

/** Where the ValidatingWebhookConfigurations are written. */
export const webhookFolder = 'deploy/webhook'

/** One YAML file for each ValidatingWebhookConfiguration. */
export function renderWebhookConfigurations(): GeneratedFile[] {
  const render = (name: string, configuration: object): GeneratedFile => ({
    path: `${webhookFolder}/${name}.yaml`,
    text: `# Written by npm run generate from src/webhook/configuration.ts. Do not edit.\n${stringify(configuration, { aliasDuplicateObjects: false, lineWidth: 0, version: '1.1' })}`,
  })
  return [render('operator', operatorConfiguration), render('hub', hubConfiguration)]
}
