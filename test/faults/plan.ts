/**
 * What the fault campaigns upload: transfers of every kind that the protocol knows, drawn from a seed. Sizes and contents repeat now
 * and then, so that files share their content.
 */
import { type FilePlan, type RecordedFile, RecordedTransfer } from '../support/record.ts'
import type { Random } from '../support/random.ts'
import type { Framing, Payload } from '../support/wire.ts'

/** How one transfer is sent. */
export interface Manner {
  readonly chunks: 'numbered' | 'opaque'
  /** No ext field is used. */
  readonly plain: boolean
  readonly acks: 'each' | 'ranges'
  readonly connections: readonly { readonly framing: Framing; readonly payload: Payload }[]
  /** Chunks unanswered per connection; 1 is a trickle, whose bytes travel with the mark. */
  readonly window: number
  readonly shuffled: boolean
  /** `midway`: the transfer is removed while it is sent. */
  readonly ending: 'keep' | 'remove-file' | 'remove-transfer' | 'midway'
  /** Opaque: one UUID per place, file after file. */
  readonly uuids: readonly string[]
}

export interface Job {
  readonly transfer: RecordedTransfer
  readonly manner: Manner
}

export const CAMPAIGN_TAG = 'campaign'
/** Has a quota, which its jobs fill; each of them alone would fit. */
export const BOUNDED_USER = 'cara'
export const USERS = ['ada', 'bob', BOUNDED_USER] as const
export const QUOTA_BYTES = 100_000
/** Of files that go by themselves. */
const EXPIRES_MS_MAX = 180_000

/** `nowMs` is the daemon's clock, `expiring` the share of files that go by themselves. */
export function planJob(random: Random, number: number, nowMs: () => number, expiring: number): Job {
  const user = random.pick(['ada', ...USERS, BOUNDED_USER])
  const opaque = random.chance(0.3)
  const plain = opaque || random.chance(0.15)
  const manySmall = random.chance(0.4)
  const chunkSizeBytes = opaque ? random.pick([1000, 1024]) : plain ? 1024 : random.pick([512, 1024, 1024, 4096, 65_536])
  const sizeMax = manySmall ? 4000 : opaque && user !== BOUNDED_USER ? 300_000 : Math.min(user === BOUNDED_USER ? 30_000 : 3_000_000, chunkSizeBytes * 2500)
  const plans = Array.from({ length: manySmall ? random.between(4, 24) : random.between(1, 3) }, (_, file): FilePlan => {
    const common = random.chance(0.3)
    const sizeBytes = common ? random.pick([0, 1, 1000, 3000, user === BOUNDED_USER ? 2000 : 50_000]) : user === BOUNDED_USER ? random.between(1, sizeMax) : random.magnitude(1, sizeMax)
    const announced = plain ? 'none' : random.pick(['none', 'announced', 'late'] as const)
    return {
      name: `job ${number} file ${file}`,
      sizeBytes,
      contentSeed: common ? random.between(1, 3) : random.uint32(),
      chunkSizeBytes,
      sizeLate: !plain && random.chance(0.2),
      digest: !plain && sizeBytes > 0 && random.chance(0.03) ? 'wrong' : announced,
      ...(!plain && random.chance(expiring) ? { expiresMs: nowMs() + random.between(0, EXPIRES_MS_MAX) } : {}),
    }
  })
  const fid = random.chance(0.15) ? undefined : random.uuid()
  const transfer = new RecordedTransfer(user, fid, [CAMPAIGN_TAG, `job-${number}`], plans, nowMs)
  const payloads: readonly Payload[] = plain ? ['json-array', 'json-base64', 'msgpack'] : ['json-base64', 'msgpack', 'msgpack']
  const lanes = opaque || random.chance(0.7) ? 1 : 2
  return {
    transfer,
    manner: {
      chunks: opaque ? 'opaque' : 'numbered',
      plain,
      acks: plain || random.chance(0.5) ? 'each' : 'ranges',
      connections: Array.from({ length: lanes }, (_, lane) => {
        return { framing: (lane + number) % 2 === 0 ? 'A' : 'B', payload: random.pick(payloads) }
      }),
      window: opaque ? random.pick([1, 1, 8]) : random.pick([1, 16, 64, 500]),
      shuffled: !opaque && random.chance(0.5),
      ending: random.pick(['keep', 'keep', 'keep', 'remove-file', 'remove-transfer', 'midway']),
      uuids: opaque ? transfer.files.flatMap(file => Array.from({ length: file.chunkCount }, () => random.uuid(true))) : [],
    },
  }
}

/** The same content again, in numbered chunks and under an id of its own: what repairs a file whose chunks were opaque. */
export function planTwin(random: Random, number: number, file: RecordedFile): Job {
  const { sizeBytes, contentSeed } = file.plan
  const plan: FilePlan = { name: `job ${number} file 0`, sizeBytes, contentSeed, chunkSizeBytes: 4096 }
  return {
    transfer: new RecordedTransfer(file.user, random.uuid(), [CAMPAIGN_TAG, `job-${number}`], [plan]),
    manner: {
      chunks: 'numbered', plain: false, acks: 'ranges', connections: [{ framing: 'A', payload: 'msgpack' }], window: 64, shuffled: false,
      ending: 'keep', uuids: [],
    },
  }
}
