/** Runs the conformance suite against every store that there is. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { openLocalStore } from '../../daemon/storage/local/index.ts'
import { openMemoryStore } from '../../daemon/storage/memory.ts'
import type { Durability } from '../../daemon/storage/storage.ts'
import { conformance } from './conformance.ts'
import type { StoreUnderTest } from './conformance.ts'

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

async function openLocal(durability: Durability): Promise<StoreUnderTest> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'tally-store-'))
  let store = await openLocalStore({ path: directory, durability })
  return {
    store,
    reopen: async () => {
      await store.close()
      store = await openLocalStore({ path: directory, durability })
      return store
    },
    end: async () => {
      await store.close()
      fs.rmSync(directory, { recursive: true })
    },
  }
}

conformance(t, 'memory', openMemory)
conformance(t, 'local, process', () => openLocal('process'))
conformance(t, 'local, power', () => openLocal('power'))
