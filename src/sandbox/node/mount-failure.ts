/** Thrown while a volume cannot be set up; the kubelet tries again, and the pod stays in ContainerCreating. */
export class MountFailure extends Error {}
