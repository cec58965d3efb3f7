/** `tally status` against a real daemon: what is under way, which chunks are there, and that looking disturbs nobody. */
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { setUp } from './run-cli.ts'

const NIL = '00000000-0000-4000-8000-000000000000'

t.test('transfers under way are listed, and mapped by their chunks; an original client that fills one goes on', async t => {
  const { daemon, directory, run } = await setUp(t)
  t.equal((await run(['status'])).stdout.length, 0, 'nothing is under way')
  const client = await daemon.client({ payload: 'json-array' })
  t.teardown(() => client.destroy())
  const token = daemon.token({ sub: String(process.getuid?.()) })
  const { fid } = await client.authenticate(token, { files: [{ name: 'a\u001b', size: 4000 }, { name: 'b', size: 10 }], tags: ['x'] })
  const send = async (): Promise<string> => (await client.sendChunk(randomUUID(), Buffer.alloc(1000))).response
  t.equal(await send(), 'Ok')
  const list = await run(['status', '--json'])
  t.equal(list.code, 0, list.stderr)
  t.match(list.json.sort((a, b) => Number(a['file']) - Number(b['file'])), [
    { fid, file: 0, name: 'a\u001b', size: 4000, received: 1000, state: 'receiving', 'age-ms': Number },
    { fid, file: 1, received: 0 },
  ])
  const text = (await run(['status'])).stdout.toString()
  t.match(text, '25 % of 3.9 KiB')
  t.notMatch(text, '\u001b')
  const one = await run(['status', `${fid}`, '--json'])
  t.match(one.json, [
    { fid, file: 0, state: 'receiving', 'chunk-size': 1000, chunks: 4, missing: [[1, 3]] }, { file: 1, missing: [[0, 1]] },
  ])
  const map = (await run(['status', `${fid}/0`])).stdout.toString()
  t.match(map, '#...')
  t.match(map, '1 gap')
  t.equal(await send(), 'Ok', 'who looked took nothing over')
  t.equal((await run(['get', `${fid}`])).code, 3, 'nothing of it is stored yet')
  t.equal(await send(), 'Ok', 'nor did who wanted to get it')
  t.match((await run(['status', `${fid}/0`])).stdout.toString(), '###.')
  t.equal((await run(['status', `${fid}/2`])).code, 3)
  t.equal((await run(['status', NIL])).code, 3)
  t.equal((await run(['status', 'x'])).code, 2)
  t.equal((await run(['status', `sha256:${'0'.repeat(64)}`])).code, 2)
  writeFileSync(join(directory, 'f'), 'x')
  const stored = `${(await run(['put', 'f', '--json'])).json[0]?.['fid']}`
  t.match((await run(['status', stored, '--json'])).json, [{ file: 0, state: 'stored', missing: [] }])
})
