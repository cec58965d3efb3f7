/** Until when a file is kept, in the report of AUTHENTICATION: as announced, as told later, and after a kill (docs/protocol.md). */
import t from 'tap'
import { startDaemon } from '../support/daemon.ts'
import type { RawClient } from '../support/raw-client.ts'
import { numberedChunk, TYPE } from '../support/wire.ts'

const FID = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'
const SOON = Date.now() + 3_600_000
const LATER = SOON + 86_400_000

t.test('a report says when each file expires; it is replaced where another time is told, also of a stored file, and outlives a kill', async t => {
  const daemon = await startDaemon(t)
  let client = await daemon.client()
  t.teardown(() => client.destroy())
  const reported = async (...expires: (number | undefined)[]) => {
    const files = expires.map((time, file) => ({ name: `${file}`, size: 1000, ...(time === undefined ? {} : { expires: time }) }))
    const told = await client.authenticate(daemon.token(), { fid: FID, files, 'chunk-size': 1000 })
    return expiryOf(told.files)
  }
  t.strictSame(await reported(SOON, undefined), [SOON, undefined])
  t.equal((await client.sendChunk(numberedChunk(FID, 0, 0), new Uint8Array(1000))).response, 'Ok')
  t.strictSame(await reported(undefined, undefined), [SOON, undefined], 'absent: as before')
  t.strictSame(await reported(LATER, SOON), [LATER, SOON])
  await daemon.restart()
  client = await daemon.client()
  t.strictSame(await reported(undefined, undefined), [LATER, SOON])
  t.strictSame(expiryOf((await client.request(TYPE.find, {})).files), [LATER])
})

function expiryOf(files: Awaited<ReturnType<RawClient['request']>>['files']): (number | undefined)[] {
  return (files as unknown as { expires?: number }[]).map(({ expires }) => expires)
}
