import type { Scenario } from './scenario.ts'
import { bootScenarios } from './scenarios/boot.ts'
import { imageScenarios } from './scenarios/image.ts'
import { loadScenarios } from './scenarios/load.ts'
import { makeScenarios } from './scenarios/make.ts'
import { outageScenarios } from './scenarios/outage.ts'
import { policyScenarios } from './scenarios/policy.ts'
import { preflightScenarios } from './scenarios/preflight.ts'
import { refuseScenarios } from './scenarios/refuse.ts'
import { replaceScenarios } from './scenarios/replace.ts'
import { unloadScenarios } from './scenarios/unload.ts'
import { upgradeScenarios } from './scenarios/upgrade.ts'

/** What happens to kernels, on every target. */
export const scenarios: readonly Scenario[] = [
  ...loadScenarios,
  ...makeScenarios,
  ...replaceScenarios,
  ...refuseScenarios,
  ...unloadScenarios,
  ...policyScenarios,
  ...upgradeScenarios,
  ...bootScenarios,
  ...imageScenarios,
  ...preflightScenarios,
  ...outageScenarios,
]
