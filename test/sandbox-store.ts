import { builtInResources } from '../src/sandbox/apiserver/built-in-resources.ts'
import { builtInStrategies } from '../src/sandbox/apiserver/built-in-strategies.ts'
import { formatGroupResource } from '../src/sandbox/apiserver/object.ts'
import { Store } from '../src/sandbox/apiserver/store.ts'
import { plainStrategy } from '../src/sandbox/apiserver/strategy.ts'

/** A store of the built-in kinds, without the API server in front of it; uids count from `uid-1`. */
export function createTestStore(now: () => number = () => Date.UTC(2026, 0, 1)): Store {
  let uid = 0
  const store = new Store({ now, newUid: () => `uid-${++uid}`, historySize: 1000 })
  for (const resource of builtInResources)
    store.define({ ...resource, strategy: builtInStrategies[formatGroupResource(resource)] ?? plainStrategy })
  return store
}
