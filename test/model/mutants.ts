/** A fault that is put into the product, to see that the model notices. */
export interface Mutant {
  name: string
  file: string
  /** Must stand in the file, once. */
  text: string
  replacement: string
  /** The rules that may catch it. */
  caughtBy: readonly string[]
}

/** Ten and more ways to get it wrong. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a status of an earlier boot counts as loaded',
    file: 'src/controllers/cluster/module-on-node.ts',
    text: 'return loaded.bootId === node.bootId && sameKernelState(',
    replacement: 'return sameKernelState(',
    caughtBy: ['ready-label', 'converges'],
  },
  {
    name: 'a report of an earlier boot counts for the running one',
    file: 'src/controllers/work/settle.ts',
    text: 'const bootId = report?.bootID ?? node.bootId',
    replacement: 'const bootId = report === undefined ? node.bootId : node.bootId',
    caughtBy: ['ready-unreported', 'ready-absent', 'ready-label', 'converges'],
  },
  {
    name: 'an unload does not wait for the device plugin',
    file: 'src/controllers/cluster/pod-view.ts',
    text: 'needsModule: needsModule(pod),',
    replacement: 'needsModule: needsModule(pod) && pod.metadata === undefined,',
    caughtBy: ['unload-plugin'],
  },
  {
    name: 'keep is treated as release',
    file: 'src/controllers/plan/decide.ts',
    text: "if (answer.kind === 'release') items.delete(key)",
    replacement: "if (answer.kind !== 'want') items.delete(key)",
    caughtBy: ['unload-unasked', 'converges'],
  },
  {
    name: 'another digest is a change',
    file: 'src/api/module-config.ts',
    text: 'a.containerImage === b.containerImage &&',
    replacement: 'a.containerImage === b.containerImage && a.imageDigest === b.imageDigest &&',
    caughtBy: ['unload-unasked'],
  },
  {
    name: 'a taint releases',
    file: 'src/controllers/plan/answer.ts',
    text: 'const { module, mapping, image, entry } = observed\n',
    replacement:
      "const { module, mapping, image, entry } = observed\n  if (entry && describeTaint(module, node)) return release('NodeTainted', 'mutant')\n",
    caughtBy: ['unload-unasked', 'converges'],
  },
  {
    name: 'the finalizer is dropped while nodes still have the module',
    file: 'src/controllers/report/decide.ts',
    text: 'if (!has || claimed || nodes.some(({ inUse }) => inUse)) return []',
    replacement: 'if (!has) return []',
    caughtBy: ['deleted-loaded'],
  },
  {
    name: 'another version is loaded without unloading the old one',
    file: 'src/controllers/work/intent.ts',
    text: 'if (loaded && !sameKernelState(entry.config, loaded.config) && !isTriedUnheard(module, loaded))',
    replacement: 'if (loaded && observed.operatorNamespace === undefined)',
    caughtBy: ['two-versions'],
  },
  {
    name: 'a worker that was given up is taken to have done nothing',
    file: 'src/controllers/work/settle.ts',
    text: 'if (!mayHaveStarted(worker)) return loaded',
    replacement: 'if (!mayHaveStarted(worker) || worker.uid !== undefined) return loaded',
    caughtBy: ['two-versions', 'deleted-loaded', 'converges', 'ready-label'],
  },
  {
    name: 'ready labels are not withdrawn',
    file: 'src/controllers/work/decide.ts',
    text: 'const { withdraw, publish } = decideLabels(observed.node, decided)',
    replacement: 'const { publish } = decideLabels(observed.node, decided)\n  const withdraw: Action[] = []',
    caughtBy: ['unload-ready', 'unload-plugin', 'ready-label', 'converges'],
  },
  {
    name: 'a release unloads what the policy Never is to leave',
    file: 'src/controllers/work/departure.ts',
    text: "return module.policy === 'Never' ? { kind: 'leave', why: 'its unload policy is Never' } : unload",
    replacement: 'return unload',
    caughtBy: ['unload-unasked'],
  },
  {
    name: 'two Modules get one kernel module',
    file: 'src/controllers/plan/answer.ts',
    text: "if (answer.kind !== 'want') return answer\n  const claim = answerClaim(",
    replacement: 'if (answer.kind !== undefined) return answer\n  const claim = answerClaim(',
    caughtBy: ['two-versions', 'unload-unasked', 'converges'],
  },
  {
    name: 'a namespace that is going away gets the unload pod',
    file: 'src/controllers/work/intent.ts',
    text: 'module.namespaceTerminating ? operatorNamespace : module.namespace',
    replacement:
      'module.namespaceTerminating && operatorNamespace === undefined ? operatorNamespace : module.namespace',
    caughtBy: ['converges'],
  },
  {
    name: 'pods of the device plugin are never let go',
    file: 'src/controllers/workloads/decide.ts',
    text: 'pod.deleting && pod.finalizers.includes(nodeLabelerFinalizer)',
    replacement: 'pod.deleting && pod.finalizers.includes(nodeLabelerFinalizer) && pod.uid === undefined',
    caughtBy: ['converges'],
  },
]
