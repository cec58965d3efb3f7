/** Runs the conformance suite against the memory store and the local one with durability `process`. */
import t from 'tap'
import { openMemoryStore } from '../../daemon/storage/memory.ts'
import { conformance } from './conformance.ts'
import type { StoreUnderTest } from './conformance.ts'
import { openLocal } from './support.ts'

function openMemory(): Promise<StoreUnderTest> {
  let store = openMemoryStore()
  return Promise.resolve({
    store,
    reopen: async () => {
      store = openMemoryStore({ from: store.kill() })
      return store
    },
    end: async () => {},
  })
}

conformance(t, 'memory', openMemory)
conformance(t, 'local, process', () => openLocal('process'))
