/** How the actions of one pass are carried out. */
export interface ActionRun<A> {
  execute: (action: A) => Promise<void>
  /** Asked before each action; once it answers no, nothing more is begun. */
  mayGoOn: () => boolean
  /** Names what consecutive actions may be carried out side by side; none for one that is carried out alone. */
  groupOf?: ((action: A) => string | undefined) | undefined
}

/** Enough to keep an API server busy, few enough to leave it to others. */
const mostAtOnce = 16

function groupActions<A>(actions: readonly A[], groupOf: NonNullable<ActionRun<A>['groupOf']>): A[][] {
  const groups: A[][] = []
  let open: string | undefined
  for (const action of actions) {
    const group = groupOf(action)
    const last = groups.at(-1)
    if (last && group !== undefined && group === open) last.push(action)
    else groups.push([action])
    open = group
  }
  return groups
}

/** Carries out actions side by side; those that are under way when one fails are waited for. */
async function runGroup<A>(group: readonly A[], { execute, mayGoOn }: ActionRun<A>): Promise<void> {
  const open = group.values()
  let failed = false
  const work = async (): Promise<void> => {
    for (const action of open) {
      if (failed || !mayGoOn()) return
      try {
        await execute(action)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(mostAtOnce, group.length) }, work))
  const failure = ends.find((end) => end.status === 'rejected')
  if (failure) throw failure.reason
}

/** Carries out the actions of a pass in order, until one fails; false when it was not to go on. */
export async function runActions<A>(actions: readonly A[], run: ActionRun<A>): Promise<boolean> {
  const groups = groupActions(actions, run.groupOf ?? (() => undefined))
  for (const group of groups) {
    if (!run.mayGoOn()) return false
    await runGroup(group, run)
  }
  return true
}
