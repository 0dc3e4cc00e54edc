/** The package's entry `kmm/labels`: the names of the node labels that programs outside KMM read or write. */
export {
  getKernelModuleReadyNodeLabel,
  getKernelModuleVersionReadyNodeLabel,
  getModuleVersionLabelName,
} from '../api/labels.ts'
