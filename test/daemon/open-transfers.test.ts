/** How many whole transfers a connection remembers, over the table of one connection alone. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { OpenTransfers } from '../../daemon/open-transfers.ts'
import type { LiveTransfer } from '../../daemon/transfers/live-transfer.ts'
import { ChunkIds, uuidToBytes } from '../../protocol/chunk-id.ts'
import type { ChunkWords } from '../../protocol/messages.ts'
import { numberedChunk } from '../support/wire.ts'

const COUNT = 20_000

function fidOf(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
}

function wordsOf(uuid: string): ChunkWords {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex')
  return [0, 4, 8, 12].map(at => bytes.readUInt32BE(at)) as unknown as ChunkWords
}

t.test('of those that rest the latest 16,384 are known, also one that was used since, and the oldest are forgotten', async t => {
  const transfers = new OpenTransfers()
  const made = Array.from({ length: COUNT }, (_, i) => {
    const chunkIds = new ChunkIds(createHash('sha256').update(uuidToBytes(fidOf(i))).digest())
    return { user: 'ada', fid: fidOf(i), chunkIds, isGone: false, mayRest: true, hasPairs: false, uploads: [{}] } as unknown as LiveTransfer
  })
  for (const transfer of made) transfers.add(transfer, 'each')
  const entryOf = (number: number) => transfers.placeOf(wordsOf(numberedChunk(fidOf(number), 0, 0)))?.entry
  const known = made.filter((_, i) => entryOf(i) !== undefined).length
  t.ok(known >= 16_384 && known < 16_384 + 32, `${known}`)
  t.equal(entryOf(0), undefined)
  t.ok(entryOf(COUNT - 1)?.open)
  const oldest = COUNT - known
  transfers.wake(made[oldest] as LiveTransfer, 'each')
  for (let i = 0; i < 8; i++) transfers.add(made[i] as LiveTransfer, 'each')
  t.ok(entryOf(oldest), 'what is used again is not the oldest any more')
})
