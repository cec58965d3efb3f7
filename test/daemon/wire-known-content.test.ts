/**
 * A digest that the user has, announced over a real socket: stored without a byte, after a kill too, and nothing told about other users.
 */
import { createHash, randomUUID } from 'node:crypto'
import { readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startDaemon } from '../support/daemon.ts'
import { contentOf } from '../support/random.ts'
import { numberedChunk, TYPE } from '../support/wire.ts'

t.test('the same content again is stored at once, whoever else has it; its quota and its removal are its own', async t => {
  const daemon = await startDaemon(t, { args: ['--quota', '1500'] })
  const content = contentOf(3, 1000)
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
  const announce = async (user: string, fid: string, fields: object = { digest }) => {
    const client = await daemon.client()
    t.teardown(() => client.destroy())
    return { client, answer: await client.authenticate(daemon.token({ sub: user }), { fid, files: [{ name: 'a', size: 1000, ...fields }] }) }
  }
  const [first, second] = [randomUUID(), randomUUID()]
  const { client, answer } = await announce('ada', first)
  t.match(answer.files, [{ state: 'receiving', missing: [[0, 1]] }])
  t.ok((await client.sendChunk(numberedChunk(first, 0, 0), content)).stored)
  const again = await announce('ada', second)
  t.match(again.answer, { response: 'Ok', files: [{ state: 'stored', missing: [], digest }] })
  t.match(await again.client.sendChunk(numberedChunk(second, 0, 0), content), { response: 'Ok', stored: { file: 0, digest } }, 'a chunk of it all the same')
  t.match((await announce('eve', randomUUID())).answer, { response: 'Ok', files: [{ state: 'receiving', missing: [[0, 1]] }] })
  t.match((await announce('ada', randomUUID(), {})).answer, { code: 'quota-exceeded', used: 1000 })
  await daemon.kill()
  await daemon.start()
  const after = await announce('ada', second)
  t.match(after.answer.files, [{ state: 'stored' }])
  t.equal((await after.client.request(TYPE.remove, { fid: first })).response, 'Ok')
  t.ok((await after.client.fetch({ fid: second, file: 0 })).bytes.equals(content))
  t.equal((await after.client.request(TYPE.remove, { fid: second })).response, 'Ok')
  t.match((await announce('ada', randomUUID())).answer.files, [{ state: 'receiving' }], 'what was removed is not had any more')
})

t.test('opaque chunks get no place in a transfer of which a file was stored without its chunks: they may be meant for that one', async t => {
  const daemon = await startDaemon(t)
  const [known, next] = [contentOf(4, 100), contentOf(5, 100)]
  const digest = `sha256:${createHash('sha256').update(known).digest('hex')}`
  const files = [{ name: 'a', size: 100, digest }, { name: 'b', size: 100 }]
  const send = async (fid: string) => {
    const client = await daemon.client()
    t.teardown(() => client.destroy())
    const { files: report } = await client.authenticate(daemon.token(), { fid, files })
    const codes: unknown[] = []
    for (const data of [known, next]) codes.push((await client.sendChunk(randomUUID(), data)).code)
    return { client, codes, states: report?.map(({ state }) => state) }
  }
  const [first, second] = [randomUUID(), randomUUID()]
  t.match(await send(first), { states: ['receiving', 'receiving'], codes: [undefined, undefined] })
  const refused = { states: ['stored', 'receiving'], codes: ['chunk-unknown', 'chunk-unknown'] }
  t.match(await send(second), refused)
  await daemon.kill()
  await daemon.start()
  const { client, ...again } = await send(second)
  t.match(again, refused, 'after a restart too')
  t.equal((await client.request(TYPE.remove, { fid: second, file: 0 })).response, 'Ok')
  t.equal((await client.sendChunk(randomUUID(), known)).code, 'chunk-unknown', 'nor when that file was removed since')
  t.ok((await client.sendChunk(numberedChunk(second, 1, 0), next)).stored, 'numbered chunks say where they belong')
  await client.close()
})

/** Stores one file, lets the caller change its blob, and announces its content again. */
async function announceChanged(t: Test, content: Buffer, change: (blob: string) => void) {
  const daemon = await startDaemon(t, { args: ['--scrub-rate', '0'] })
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  const file = { name: 'a', size: content.length, digest: `sha256:${createHash('sha256').update(content).digest('hex')}` }
  const chunkSize = 1_048_576
  const announce = async (fid: string) => (await client.authenticate(daemon.token(), { fid, files: [file], 'chunk-size': chunkSize })).files?.[0]
  const send = async (fid: string) => {
    for (let at = 0; at < content.length; at += chunkSize) await client.sendChunk(numberedChunk(fid, 0, at / chunkSize), content.subarray(at, at + chunkSize))
  }
  const [first, again] = [randomUUID(), randomUUID()]
  await announce(first)
  await send(first)
  const blobs = readdirSync(join(daemon.store, 'blobs'), { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  t.equal(blobs.length, 1)
  for (const { parentPath, name } of blobs) change(join(parentPath, name))
  return { client, announce, send, first, again }
}

const damages: readonly (readonly [string, number, (blob: string) => void])[] = [
  ['a small content whose bytes changed', 1000, blob => writeFileSync(blob, contentOf(9, 1000))],
  ['one of some blocks of which the last has changed', 1_000_000, blob => {
    const bytes = readFileSync(blob)
    bytes[999_000] = (bytes[999_000] as number) ^ 1
    writeFileSync(blob, bytes)
  }],
  ['a large content that is short', 2_500_000, blob => truncateSync(blob, 2_400_000)],
  ['a large content that is absent', 2_500_000, blob => rmSync(blob)],
]
for (const [what, sizeBytes, change] of damages) {
  t.test(`${what} is not had, and sending it again makes both files whole`, async t => {
    const content = contentOf(6, sizeBytes)
    const { client, announce, send, first, again } = await announceChanged(t, content, change)
    t.match(await announce(again), { state: 'receiving' })
    await send(again)
    for (const fid of [first, again]) t.ok((await client.fetch({ fid, file: 0 })).bytes.equals(content))
  })
}

t.test('damage in the midst of a large content is found after it was announced again', async t => {
  const content = contentOf(7, 2_500_000)
  const { announce, again } = await announceChanged(t, content, blob => {
    const bytes = readFileSync(blob)
    bytes[300_000] = (bytes[300_000] as number) ^ 1
    writeFileSync(blob, bytes)
  })
  t.match(await announce(again), { state: 'stored' })
  for (;;) {
    const report = await announce(again)
    if (report?.state === 'receiving') return t.same(report.missing, [[0, 1]])
    await new Promise(resolve => setTimeout(resolve, 50))
  }
})
