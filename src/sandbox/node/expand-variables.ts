/**
 * Puts a container's environment into its arguments, as the kubelet does: `$(NAME)` is the variable's value, and stays where there is
 * no such variable; `$$` is one dollar sign (Kubernetes: "Define a command and arguments for a container").
 */
export function expandVariables(
  texts: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  return texts.map((text) =>
    text.replace(/\$(?:\$|\(([^)]*)\))/g, (found, name?: string) => {
      if (found === '$$') return '$'
      const isSet = name !== undefined && Object.hasOwn(environment, name)
      return isSet ? (environment[name] ?? found) : found
    }),
  )
}
