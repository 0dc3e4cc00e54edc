/** What is replaced in a file of the product. */
export interface Fault {
  file: string
  /** Must stand in the file, once. */
  text: string
  replacement: string
}

/** A fault that is put into the product, to see that the model notices. */
export interface Mutant extends Fault {
  name: string
  /** Where the product guards against the fault in two places, the second one. */
  also?: Fault
  /** The rules that may catch it. */
  caughtBy: readonly string[]
  /** Hunted in wild runs only: `-- --mutants --wild`. */
  wild?: boolean
}

/** All that is replaced for a mutant. */
export const faultsOf = (mutant: Mutant): Fault[] => [mutant, ...(mutant.also ? [mutant.also] : [])]

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
    caughtBy: ['unload-unasked', 'two-versions', 'converges'],
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
    also: {
      file: 'src/controllers/report/execute.ts',
      text: 'if (!finalizers.includes(moduleFinalizer)) await',
      replacement: 'if (finalizers.includes(moduleFinalizer)) await',
    },
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
  {
    name: 'what was true of one boot is said of the next',
    file: 'src/controllers/work/label-node.ts',
    text: "    { op: 'test', path: '/status/nodeInfo/bootID', value: bootId },\n",
    replacement: "    ...(bootId === '' ? [{ op: 'test', path: '/kind', value: 'none' }] : []),\n",
    caughtBy: ['ready-unreported', 'ready-absent', 'ready-label'],
    wild: true,
  },
  {
    name: 'a newer intent does not cancel an unload',
    file: 'src/controllers/work/decide-module.ts',
    text: '    loaded: recordDoubt(module, worker, node),\n    pods: deleteWorkerPod(worker),',
    replacement:
      "    loaded: recordDoubt(module, worker, node),\n    pods: worker.intent.action === 'Unload' ? [] : deleteWorkerPod(worker),",
    caughtBy: ['unload-stands', 'unload-unasked', 'unload-ready', 'converges'],
    wild: true,
  },
  {
    name: 'a worker that is at work holds no Module',
    file: 'src/controllers/plan/decide.ts',
    text: 'for (const module of observed.busy.values()) labels',
    replacement: 'for (const module of [...observed.busy.values()].slice(0, 0)) labels',
    caughtBy: ['deleted-loaded', 'converges'],
    wild: true,
  },
  {
    name: 'a taint releases nothing under the policy OnTaint',
    file: 'src/controllers/plan/answer.ts',
    text: 'const taint = describeReleasingTaint(module, node)',
    replacement: "const taint = module.metadata.name === '' ? describeReleasingTaint(module, node) : undefined",
    caughtBy: ['converges'],
    wild: true,
  },
  {
    name: 'Never is treated as OnDelete',
    file: 'src/api/annotations.ts',
    text: 'return unloadPolicies.find((policy) => policy === value)',
    replacement: "return unloadPolicies.find((policy) => policy === value && policy !== 'Never')",
    caughtBy: ['unload-unasked'],
    wild: true,
  },
  {
    name: 'an entry is named before the Module has its finalizer',
    file: 'src/controllers/plan/answer.ts',
    text: 'if (!module.metadata?.finalizers?.includes(moduleFinalizer))',
    replacement: "if (module.metadata.name === '' && !module.metadata?.finalizers?.includes(moduleFinalizer))",
    caughtBy: ['entry-unheld', 'deleted-loaded'],
    wild: true,
  },
  {
    name: 'the DaemonSet of a device plugin that the Module has no more stays',
    file: 'src/controllers/workloads/decide.ts',
    text: 'if (module.metadata.deletionTimestamp !== undefined || plugin === undefined) return live.map(drop)',
    replacement:
      'if (plugin === undefined) return []\n  if (module.metadata.deletionTimestamp !== undefined) return live.map(drop)',
    caughtBy: ['converges'],
    wild: true,
  },
  {
    name: 'a NodeModulesConfig that somebody deleted is forgotten',
    file: 'src/controllers/cluster/lost-configs.ts',
    text: 'if (isOwnedBy(before, caches.nodes.get({ name: key })?.uid)) lost.set(key, before)',
    replacement: "if (key === '') lost.set(key, before)",
    caughtBy: ['deleted-loaded', 'two-versions', 'entry-dropped', 'converges'],
    wild: true,
  },
  {
    name: 'a pass that fails is not tried again',
    file: 'src/runtime/runner.ts',
    text: "else if (error.fate === 'retry') this.#queue.addWithBackoff(key)",
    replacement: "else if (error.fate === 'retry') this.#log(key, error)",
    caughtBy: ['converges', 'ready-label', 'unload-stands'],
    wild: true,
  },
  {
    name: 'the DeviceClass of a Module that is gone stays',
    file: 'src/controllers/workloads/decide-classes.ts',
    text: '.filter(({ metadata }) => metadata?.deletionTimestamp === undefined)',
    replacement: ".filter(({ metadata }) => metadata?.name === '')",
    caughtBy: ['converges'],
    wild: true,
  },
  {
    name: 'a kernel without a mapping releases nothing',
    file: 'src/controllers/plan/answer.ts',
    text: "if (mapping.kind === 'none' && node.kernelVersion !== '') {",
    replacement: "if (mapping.kind === 'none' && node.kernelVersion === 'none') {",
    caughtBy: ['converges'],
    wild: true,
  },
  {
    name: 'a preflight does not hear of Modules that come later',
    file: 'src/controllers/preflight/controller.ts',
    text: 'caches.modules.onChange(({ before, after }) => {\n        if (isSameWish(before, after)) return',
    replacement: 'caches.modules.onChange(({ before, after }) => {\n        if (before !== after) return',
    caughtBy: ['converges'],
    wild: true,
  },
]
