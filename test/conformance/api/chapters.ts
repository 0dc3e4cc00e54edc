import { accessCases } from './cases/access.ts'
import { admissionCases } from './cases/admission.ts'
import { customCases } from './cases/custom.ts'
import { conversionCases } from './cases/conversions.ts'
import { deletionCases } from './cases/deletion.ts'
import { discoveryCases } from './cases/discovery.ts'
import { kubectlCases } from './cases/kubectl.ts'
import { listCases } from './cases/lists.ts'
import { nodeCases } from './cases/nodes.ts'
import { objectCases } from './cases/objects.ts'
import { patchCases } from './cases/patches.ts'
import { podCases } from './cases/pods.ts'
import { ruleCases } from './cases/rules.ts'
import { watchCases } from './cases/watches.ts'
import type { Chapter } from './suite.ts'

/** All cases of the API. */
export const chapters: readonly Chapter[] = [
  { name: 'objects', cases: objectCases },
  { name: 'patches', cases: patchCases },
  { name: 'custom', cases: customCases },
  { name: 'rules', cases: ruleCases },
  { name: 'lists', cases: listCases },
  { name: 'watches', cases: watchCases },
  { name: 'deletion', cases: deletionCases },
  { name: 'pods', cases: podCases },
  { name: 'nodes', cases: nodeCases },
  { name: 'access', cases: accessCases },
  { name: 'discovery', cases: discoveryCases },
  { name: 'admission', cases: admissionCases },
  { name: 'conversions', cases: conversionCases },
  { name: 'kubectl', cases: kubectlCases, needsKubectl: true },
]
