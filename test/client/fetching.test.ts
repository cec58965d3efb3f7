/** Getting: byte ranges, streams, several gets to one target, many files at once, against a real daemon. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync, writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { type ClientError, type FileId, type PutResult, type Tally, connect } from '../../client/index.ts'
import { openPartial } from '../../client/partial-file.ts'
import { startDaemon } from '../support/daemon.ts'
import { contentOf } from '../support/random.ts'

const BYTES = contentOf(1, 1_500_007)
const FETCH_CHUNK = 262_144

async function setUp(t: Test): Promise<{ tally: Tally; stored: PutResult; directory: string }> {
  const daemon = await startDaemon(t)
  const tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  t.teardown(() => tally.close())
  const directory = mkdtempSync(join(tmpdir(), 'tally-fetching-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return { tally, stored: await tally.put(BYTES, { name: 'content' }), directory }
}

t.test('a range of bytes is just these bytes, also at the seams of chunks and beyond the end', async t => {
  const { tally, stored, directory } = await setUp(t)
  const size = BYTES.length
  const ranges: [offsetBytes: number | undefined, lengthBytes: number | undefined][] = [
    [0, 0], [0, 1], [undefined, 10], [size - 1, 1], [size - 1, undefined], [size, 5], [size + 1, 5], [5, undefined], [0, size],
    [FETCH_CHUNK - 1, 2], [FETCH_CHUNK, FETCH_CHUNK], [FETCH_CHUNK + 1, FETCH_CHUNK], [3, 2 * FETCH_CHUNK], [size - 3, 100],
  ]
  for (const [index, [offsetBytes, lengthBytes]] of ranges.entries()) {
    const range = { ...(offsetBytes === undefined ? {} : { offsetBytes }), ...(lengthBytes === undefined ? {} : { lengthBytes }) }
    const expected = BYTES.subarray(offsetBytes ?? 0, (offsetBytes ?? 0) + (lengthBytes ?? size))
    const path = join(directory, `${index}`)
    await tally.get({ digest: stored.digest }, { path }, range)
    t.ok(readFileSync(path).equals(expected), `file ${offsetBytes}+${lengthBytes}`)
    t.ok(Buffer.concat(await Array.fromAsync(tally.stream(stored.fid, range))).equals(expected), `stream ${offsetBytes}+${lengthBytes}`)
  }
  t.equal(readdirSync(directory).length, ranges.length, 'nothing else stays')
})

t.test('a range replaces nothing unless told, and leaves the partial file of a whole get alone', async t => {
  const { tally, stored, directory } = await setUp(t)
  const path = join(directory, 'f')
  writeFileSync(path, BYTES)
  await t.rejects(tally.get(stored.fid, { path }, { lengthBytes: 5 }), { code: 'exists' })
  await tally.get(stored.fid, { path, force: true }, { lengthBytes: 5 })
  t.ok(readFileSync(path).equals(BYTES.subarray(0, 5)))
})

t.test('a stream gives text to who wants it, and what is not read is not fetched', async t => {
  const { tally } = await setUp(t)
  const { fid } = await tally.put(Buffer.from('näher'), { name: 'text' })
  t.equal(await text(tally.stream(fid)), 'näher')
  const events: string[] = []
  const idle = tally.stream(fid, { onEvent: ({ type }) => events.push(type) })
  await new Promise(resolve => setTimeout(resolve, 20))
  t.same(events, [])
  await idle.cancel()
})

t.test('a stream that is left, cancelled or aborted ends its fetch, and one that finds nothing fails', async t => {
  const { tally, stored } = await setUp(t)
  for (let left = 0; left < 40; left++) {
    for await (const bytes of tally.stream(stored.fid)) {
      t.equal(bytes.length, FETCH_CHUNK)
      break
    }
  }
  const aborted = tally.stream(stored.fid, { signal: AbortSignal.abort(new Error('enough')) })
  await t.rejects(text(aborted), { message: 'enough' })
  await t.rejects(text(tally.stream('0b6f7a3e-0000-4000-8000-000000000001')), { code: 'not-found' })
})

t.test('an abort ends a get at once, also while chunks come faster than they are taken', async t => {
  const { tally } = await setUp(t)
  const bytes = contentOf(4, 20_000_000)
  const { fid } = await tally.put(bytes, { name: 'big' })
  const stop = new AbortController()
  let takenBytes = 0
  const write = async (part: Uint8Array): Promise<void> => {
    takenBytes += part.length
    // Time for what follows to come.
    await new Promise(resolve => setTimeout(resolve, 5))
    stop.abort(new Error('enough'))
  }
  await t.rejects(tally.get(fid, { write }, { signal: stop.signal }), { message: 'enough' })
  t.ok(takenBytes < bytes.length, `${takenBytes} bytes`)
})

t.test('gets to one target at once all succeed, and leave one file', async t => {
  const { tally, stored, directory } = await setUp(t)
  for (const force of [false, true]) {
    const path = join(directory, `to one ${force}`)
    await Promise.all(Array.from({ length: 8 }, () => tally.get(stored.fid, { path, force })))
    t.ok(readFileSync(path).equals(BYTES))
  }
  t.equal(readdirSync(directory).length, 2)
})

t.test('nothing is written into a file that has its name: who changes it after the first get keeps his change', async t => {
  const { tally, directory } = await setUp(t)
  const bytes = contentOf(3, 20_000_000)
  const { fid } = await tally.put(bytes, { name: 'big' })
  const path = join(directory, 'f')
  const gets = Array.from({ length: 8 }, () => tally.get(fid, { path }))
  const outcomes = Promise.allSettled(gets)
  await Promise.race(gets)
  const own = Buffer.alloc(bytes.length, 7)
  const file = openSync(path, 'r+')
  writeSync(file, own, 0, own.length, 0)
  closeSync(file)
  for (const outcome of await outcomes) {
    if (outcome.status === 'rejected') t.equal(outcome.reason.code, 'exists')
  }
  t.ok(readFileSync(path).equals(own))
})

t.test('a partial file has one writer, in all processes, until that one dies', async t => {
  const { directory } = await setUp(t)
  const path = join(directory, 'partial')
  const module = new URL('../../client/partial-file.ts', import.meta.url)
  const holding = `const file = await (await import(${JSON.stringify(module.href)})).openPartial(${JSON.stringify(path)}); console.log(typeof file); setInterval(() => file, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', holding], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  t.equal(`${(await once(child.stdout, 'data'))[0]}`, 'object\n')
  t.equal(await openPartial(path), undefined)
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
  const first = await openPartial(path)
  t.equal(await openPartial(path), undefined)
  await first?.close()
  const second = await openPartial(path)
  t.ok(second)
  await second?.close()
})

t.test('of equal names the plain one goes to who comes first in the list, however long that takes', async t => {
  const { tally, directory } = await setUp(t)
  for (let round = 0; round < 2; round++) {
    const sizes = round === 0 ? [5_000_000, 3] : [3, 5_000_000]
    for (const [index, size] of sizes.entries()) await tally.put(contentOf(index, size), { name: 'same', tags: [`${round}`] })
    const to = join(directory, `to ${round}`)
    mkdirSync(to)
    const found = await Array.fromAsync(tally.find({ tags: [`${round}`] }))
    const results = await Array.fromAsync(tally.getAll(found, { directory: to }))
    t.match(results.find(({ id }) => id === found[0]), { path: join(to, 'same') })
  }
})

t.test('different files to one target at once: one is there, the others are told so', async t => {
  const { tally, stored, directory } = await setUp(t)
  const other = await tally.put(contentOf(2, 700_000), { name: 'other' })
  const path = join(directory, 'f')
  const outcomes = await Promise.allSettled([stored, other].map(({ fid }) => tally.get(fid, { path })))
  const failed = outcomes.filter(({ status }) => status === 'rejected')
  t.equal(failed.length, 1)
  t.match(failed[0], { reason: { code: 'exists' } })
})

t.test('many files go in and come out, whatever some of them meet', async t => {
  const { tally, directory } = await setUp(t)
  const from = join(directory, 'from')
  const to = join(directory, 'to')
  mkdirSync(from)
  mkdirSync(to)
  const names = Array.from({ length: 300 }, (_, index) => `file ${index}`)
  for (const [index, name] of names.entries()) writeFileSync(join(from, name), contentOf(index, index === 7 ? 2_000_000 : index % 50))
  const items = [...names, 'absent'].map(name => ({ path: join(from, name), tags: [name.slice(-1)] }))
  const results = await Array.fromAsync(tally.putAll(items, { tags: ['all'] }))
  t.equal(results.length, 301)
  t.match(results.filter(({ error }) => error !== undefined), [{ path: join(from, 'absent'), error: { code: 'ENOENT' } }])
  const again = await Array.fromAsync(tally.putAll(items, { tags: ['all'] }))
  t.same(again.length, 301)
  const found = await Array.fromAsync(tally.find({ tags: ['all'] }))
  t.equal(found.length, 300, 'what was stored is not stored again')
  t.ok(found.every(({ name, tags }) => tags.includes(name.slice(-1))))
  const wanted: FileId[] = [...found.map(({ fid, file }) => ({ fid, file })), { fid: '0b6f7a3e-0000-4000-8000-000000000001', file: 0 }]
  const got = await Array.fromAsync(tally.getAll(wanted, { directory: to }))
  t.match(got.filter(({ error }) => error !== undefined), [{ id: wanted[300], error: { code: 'not-found' } }])
  t.same(readdirSync(to).sort(), names.toSorted())
  for (const name of names) t.ok(readFileSync(join(to, name)).equals(readFileSync(join(from, name))), name)
})

t.test('many small files come whole under their names, over nothing that is there unless told, and through no link', async t => {
  const { tally, directory } = await setUp(t)
  const count = 300
  const sizes = Array.from({ length: count }, (_, index) => index % 7 === 0 ? 0 : 1 + index * 300)
  for (const [index, size] of sizes.entries()) writeFileSync(join(directory, `${index}`), contentOf(index, size))
  await Array.fromAsync(tally.putAll(sizes.map((_, index) => ({ path: join(directory, `${index}`) }))))
  const found = (await Array.fromAsync(tally.find({ name: '[0-9]*' }))).sort((a, b) => Number(a.name) - Number(b.name))
  t.equal(found.length, count)
  for (const force of [false, true]) {
    const to = join(directory, `to ${force}`)
    mkdirSync(to)
    // The last ones, which the thread makes.
    const [same, other, link, folder] = [299, 298, 297, 296]
    writeFileSync(join(to, `${same}`), contentOf(same, sizes[same] as number))
    writeFileSync(join(to, `${other}`), 'mine')
    writeFileSync(join(directory, 'outside'), 'outside')
    symlinkSync(join(directory, 'outside'), join(to, `${link}`))
    mkdirSync(join(to, `${folder}`))
    const results = await Array.fromAsync(tally.getAll(found, { directory: to, force }))
    const failed = results.filter(({ error }) => error !== undefined).map(({ id, error }) => ['name' in id ? id.name : '', (error as ClientError).code])
    t.same(failed.sort(), (force ? [folder] : [folder, link, other]).map(name => [`${name}`, 'exists']))
    t.match(results.find(({ id }) => 'name' in id && id.name === `${same}`), { resumedBytes: force ? 0 : sizes[same] })
    t.equal(readFileSync(join(directory, 'outside'), 'utf8'), 'outside')
    if (!force) t.equal(readFileSync(join(to, `${other}`), 'utf8'), 'mine')
    for (const [index, size] of sizes.entries()) {
      if (!failed.some(([name]) => name === `${index}`)) t.ok(readFileSync(join(to, `${index}`)).equals(contentOf(index, size)), `${index}`)
    }
    t.same(readdirSync(to).sort(), sizes.map((_, index) => `${index}`).sort(), 'no hidden file stays')
  }
  const nowhere = await Array.fromAsync(tally.getAll(found.slice(0, 100), { directory: join(directory, 'nowhere') }))
  t.ok(nowhere.every(({ error }) => (error as NodeJS.ErrnoException).code === 'ENOENT'))
})

t.test('leaving the loop ends what is under way, and an abort throws its reason', async t => {
  const { tally, directory } = await setUp(t)
  const path = join(directory, 'f')
  writeFileSync(path, 'x')
  let taken = 0
  const endless = (function* () {
    for (;;) {
      taken++
      yield { path, name: `${taken}` }
    }
  })()
  for await (const { error } of tally.putAll(endless)) {
    t.equal(error, undefined)
    break
  }
  let before = -1
  while (before !== taken) {
    before = taken
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  t.ok(before < 5000, 'no more is taken')
  const aborted = tally.getAll([{ fid: '0b6f7a3e-0000-4000-8000-000000000001', file: 0 }], { directory }, { signal: AbortSignal.abort(new Error('enough')) })
  await t.rejects(Array.fromAsync(aborted), { message: 'enough' })
})

t.test('a target may be named once the file is known', async t => {
  const { tally, stored, directory } = await setUp(t)
  const result = await tally.get(stored.fid, { pathOf: async ({ name, sizeBytes }) => join(directory, `${name}-${sizeBytes}`) })
  t.equal(result.path, join(directory, `content-${BYTES.length}`))
})
