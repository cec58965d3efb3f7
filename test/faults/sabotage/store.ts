/**
 * Puts a broken store under a daemon, from outside: the module that opens the local store is loaded through a wrapper, at the level
 * of the store's contract, so that the daemon's own code stays as it is. `hooks.ts` beside this installs it.
 */
import type { Contents, FileId, Mark, Store } from '../../../daemon/storage/storage.ts'

export type Fault = 'mark-before-bytes' | 'ack-before-mark' | 'forget-before-unlink'

const EARLY_MS = 30
/** What a hard disk's sync takes; on a fast one a kill would seldom find the gap. */
const GAP_MS = 25

export function sabotage(store: Store, fault: Fault): Store {
  if (fault === 'forget-before-unlink') return forgetBeforeUnlink(store)
  return fault === 'mark-before-bytes' ? markBeforeBytes(store) : ackBeforeMark(store)
}

/** A blob is said to be gone while it is there still, so its id is forgotten first. */
function forgetBeforeUnlink(store: Store): Store {
  const contents = overlay<Contents>(store.contents, {
    remove: async (blob: FileId) => {
      setTimeout(() => { void store.contents.remove(blob) }, GAP_MS)
    },
  })
  return overlay(store, { contents })
}

/** The bytes are kept back until the mark was made: between the two a receipt stands for bytes that are nowhere. */
function markBeforeBytes(store: Store): Store {
  const kept: { blob: FileId; offsetBytes: number; pieces: Uint8Array[] }[] = []
  const contents = overlay<Contents>(store.contents, {
    write: async (blob: FileId, offsetBytes: number, pieces: readonly Uint8Array[]) => {
      kept.push({ blob, offsetBytes, pieces: pieces.map(piece => Uint8Array.from(piece)) })
    },
    sync: async () => {},
  })
  const catalog = overlay(store.catalog, {
    mark: async (marks: readonly Mark[], nowMs: number) => {
      const late = kept.splice(0)
      await store.catalog.mark(marks, nowMs)
      await new Promise(resolve => setTimeout(resolve, GAP_MS))
      for (const { blob, offsetBytes, pieces } of late) await store.contents.write(blob, offsetBytes, pieces)
      await store.contents.sync([...new Set(late.map(({ blob }) => blob))])
    },
  })
  return overlay(store, { contents, catalog })
}

/** The mark returns before it is made, so the answer goes out before anything is durable. */
function ackBeforeMark(store: Store): Store {
  let order: Promise<unknown> = Promise.resolve()
  const after = <T>(work: () => Promise<T>): Promise<T> => {
    const done = order.then(work)
    order = done.catch(() => {})
    return done
  }
  const catalog = overlay(store.catalog, {
    mark: async (marks: readonly Mark[], nowMs: number) => {
      // Who believes in the mark uses its memory for others.
      const kept = marks.map(mark => ({
        ...mark,
        pages: mark.pages.map(page => ({ ...page, bytes: Uint8Array.from(page.bytes) })),
        held: mark.held.map(piece => ({ ...piece, bytes: Uint8Array.from(piece.bytes) })),
      }))
      void after(async () => {
        await new Promise(resolve => setTimeout(resolve, EARLY_MS))
        await store.catalog.mark(kept, nowMs)
      })
    },
    // What would overtake the late marks waits for them, so that nothing but the promise is broken.
    store: (...told: Parameters<Store['catalog']['store']>) => after(() => store.catalog.store(...told)),
    remove: (...told: Parameters<Store['catalog']['remove']>) => after(() => store.catalog.remove(...told)),
    load: (...told: Parameters<Store['catalog']['load']>) => after(() => store.catalog.load(...told)),
  })
  return overlay(store, { catalog })
}

function overlay<T extends object>(original: T, changed: Partial<T>): T {
  return new Proxy(original, {
    get(target, key) {
      const owner = Object.hasOwn(changed, key) ? changed : target
      const value: unknown = Reflect.get(owner, key)
      return typeof value === 'function' ? (value as (...told: unknown[]) => unknown).bind(owner) : value
    },
  })
}
