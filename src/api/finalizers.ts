/** On a Module, until its kernel module is in no node's kernel. */
export const moduleFinalizer = 'kmm.node.kubernetes.io/module-finalizer'
/** On device plugin and DRA pods, until the node's ready label for them is gone. */
export const nodeLabelerFinalizer = 'kmm.node.kubernetes.io/node-labeler'
/** On worker pods that upstream made; KMM only removes it. */
export const nodeModulesConfigFinalizer = 'kmm.node.kubernetes.io/nodemodulesconfig-reconciler'
/** On build and sign pods that upstream made; KMM only removes it. */
export const gcDelayFinalizer = 'kmm.node.kubernetes.io/gc-delay'
/** On build and sign pods that upstream made; KMM only removes it. */
export const jobEventFinalizer = 'kmm.node.kubernetes.io/job-event-finalizer'
