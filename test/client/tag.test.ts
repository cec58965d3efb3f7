/** The library's `tag` against a real daemon: what it resolves with, what it throws, and that it outlasts a daemon that is killed. */
import t from 'tap'
import { connect, TallyError } from '../../client/index.ts'
import { startDaemon } from '../support/daemon.ts'

t.test('changes the tags of one file or of all, and reads them', async t => {
  const daemon = await startDaemon(t)
  await using tally = await connect({ socket: daemon.socket, token: daemon.token() })
  const { fid } = await tally.put(new Uint8Array(10), { name: 'a', tags: ['x'] })
  t.strictSame(await tally.tag({ fid }, { add: ['y', 'z'] }), ['x', 'y', 'z'])
  t.strictSame(await tally.tag({ fid, file: 0 }, { add: ['w'], remove: ['x', 'w'] }), ['y', 'z'])
  t.strictSame(await tally.tag({ fid }, {}), ['y', 'z'])
  for await (const { tags } of tally.find({ tags: ['y'] })) t.strictSame(tags, ['y', 'z'])
})

t.test('goes on when the daemon was killed and started again', async t => {
  const daemon = await startDaemon(t)
  await using tally = await connect({ socket: daemon.socket, token: daemon.token() })
  const { fid } = await tally.put(new Uint8Array(10), { name: 'a', tags: ['x'] })
  await daemon.kill()
  const tagging = tally.tag({ fid }, { add: ['y'] })
  await daemon.start()
  t.strictSame(await tagging, ['x', 'y'])
})

t.test('throws the code of a refusal, and what an abort says', async t => {
  const daemon = await startDaemon(t)
  await using tally = await connect({ socket: daemon.socket, token: daemon.token() })
  const { fid } = await tally.put(new Uint8Array(10), { name: 'a' })
  await t.rejects(tally.tag({ fid, file: 1 }, { add: ['y'] }), { constructor: TallyError, code: 'not-found' })
  await t.rejects(tally.tag({ fid }, { add: ['a\nb'] }), { code: 'tag-invalid' })
  await t.rejects(tally.tag({ fid }, { add: Array.from({ length: 65 }, (_, i) => `${i}`) }), { code: 'tag-invalid' })
  await t.rejects(tally.tag({ fid }, { add: ['y'] }, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  t.strictSame(await tally.tag({ fid }, {}), [])
})
