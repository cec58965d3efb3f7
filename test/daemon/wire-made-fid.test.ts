/** A transfer announced without a fid, whose fid the daemon made: when its connection closes it stays, unless no chunk of it ever came. */
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { startDaemon } from '../support/daemon.ts'
import { contentOf } from '../support/random.ts'
import type { RawClient } from '../support/raw-client.ts'
import { numberedChunk } from '../support/wire.ts'

for (const size of [500, 2500]) {
  t.test(`a transfer whose fid the daemon made stays when its only file, of ${size} bytes, turned out to be another one than was announced`, async t => {
    const daemon = await startDaemon(t)
    const bytes = contentOf(1, size)
    const first = await daemon.client()
    const { fid } = await first.authenticate(daemon.token(), { files: [{ name: 'a', size, digest: `sha256:${'0'.repeat(64)}` }] })
    const send = (client: RawClient) => Promise.all(Array.from({ length: Math.ceil(size / 1024) }, (_, chunk) =>
      client.sendChunk(numberedChunk(fid as string, 0, chunk), bytes.subarray(chunk * 1024, (chunk + 1) * 1024))))
    t.equal((await send(first)).at(-1)?.code, 'digest-mismatch')
    await first.close()
    for (const isKilled of [false, true]) {
      if (isKilled) await daemon.restart()
      const next = await daemon.client()
      t.teardown(() => next.destroy())
      // Whatever the end of the connection before does is done by then.
      await setTimeout(100)
      t.match(await next.authenticate(daemon.token(), { fid }), { response: 'Ok', files: [{ state: 'receiving', missing: [[0, Math.ceil(size / 1024)]] }] })
      t.equal((await send(next)).at(-1)?.code, 'digest-mismatch')
      await next.close()
    }
  })
}
