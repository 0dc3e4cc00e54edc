import { type OperatorConfig, parseOperatorConfig } from '../../api/operator-config.ts'
import { hasCode, KmmError } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { configMaps } from '../../kube/core-resources.ts'
import type { Logger } from '../../runtime/logger.ts'

const configKey = 'controller_config.yaml'

/** Reads the operator's configuration from its ConfigMap; without one, the defaults hold (upstream: operator config). */
export async function loadOperatorConfig(
  client: KubeClient,
  source: { namespace: string; name: string },
  logger: Logger,
): Promise<OperatorConfig> {
  const text = await readConfigText(client, source, logger)
  const { config, unknown } = parseOperatorConfig(text)
  for (const key of unknown) logger.warn({ key }, 'this key of the configuration is not known and is ignored')
  return config
}

async function readConfigText(
  client: KubeClient,
  source: { namespace: string; name: string },
  logger: Logger,
): Promise<string> {
  try {
    const { data } = await client.get(configMaps, source)
    const text = data?.[configKey]
    if (text !== undefined) return text
    throw new KmmError(
      `ConfigMap ${source.namespace}/${source.name} has no key ${configKey}; add it, or delete the ConfigMap to use the defaults`,
      {
        code: 'ConfigurationInvalid',
        fate: 'terminal',
      },
    )
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error
    logger.info(source, 'there is no configuration, the defaults hold')
    return ''
  }
}
