/**
 * Fills a daemon's store through the wire: many unfinished transfers, and many stored files with tags. The tags are drawn so that each
 * class has a known share of the files, independent of the other classes.
 */
import { randomUUID } from 'node:crypto'
import { encodeTransferFrame, FILES_MAX, MESSAGE_TYPE } from '../../protocol/index.ts'
import type { Access, Daemon } from './daemon.ts'
import { announce, Link, NumberedIds } from './link.ts'

const CHUNK_SIZE_BYTES = 1024
export const CHUNKS_PER_FILE = 64
const CONNECTIONS = 16
/** Then it is left for another: what is open is in the memory of the daemon, which keeps 50,000 files of one user there at most. */
const TRANSFERS_EACH = 1000

/** So many transfers of one file, the first chunk of which is there; answers their fids. */
export async function announceMany(access: Access, count: number): Promise<string[]> {
  const fids: string[] = []
  let left = count
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    while (left > 0) {
      const link = await Link.open(access, 'msgpack')
      const numbers = new NumberedIds()
      for (let turn = 0; turn < TRANSFERS_EACH && left-- > 0; turn++) {
        const ext = { chunkSizeBytes: CHUNK_SIZE_BYTES, acks: 'each' } as const
        const { fid, ids } = await announce(link, access, CHUNKS_PER_FILE * CHUNK_SIZE_BYTES, ext)
        await new Promise<void>((resolve, reject) => {
          link.failed = reject
          link.hook = payload => {
            if (numbers.numberOf(payload) !== turn) return false
            resolve()
            return true
          }
          link.socket.write(encodeTransferFrame('A', numbers.idOf(turn), ids.encode(0, 0), new Uint8Array(CHUNK_SIZE_BYTES)))
        })
        link.hook = undefined
        fids.push(fid)
      }
      link.close()
    }
  }))
  return fids
}

/** The tag of a class that has this share: `tenth-3` is on one file of ten. */
const CLASSES = [['half', 2], ['tenth', 10], ['hundredth', 100], ['thousandth', 1000], ['twentieth', 20]] as const
export type TagClass = (typeof CLASSES)[number][0]

/** One of the tags of a class. */
export function tagOf(tagClass: TagClass, random: () => number = Math.random): string {
  const [, count] = CLASSES.find(([name]) => name === tagClass) ?? ['', 1]
  return `${tagClass}-${Math.floor(random() * count)}`
}

/**
 * So many stored files of the token's user with five tags each, one of each class. They have 0 bytes, because such a file is stored as soon
 * as it is announced: 4,096 with one message; to FIND they are like any other.
 */
export async function storeMany({ access }: Daemon, token: string, count: number, progress: (done: number) => void): Promise<void> {
  const link = await Link.open(access, 'msgpack')
  try {
    for (let done = 0; done < count; progress(done)) {
      const files = Array.from({ length: Math.min(FILES_MAX, count - done) }, (_, i) => {
        return { name: `file-${done + i}.jpg`, sizeBytes: 0, tags: CLASSES.map(([name]) => tagOf(name)) }
      })
      await link.request({ type: MESSAGE_TYPE.AUTHENTICATION, messageId: randomUUID(), token, fid: randomUUID(), files, tags: [] })
      done += files.length
    }
  } finally {
    link.close()
  }
}
