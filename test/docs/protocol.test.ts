/**
 * Holds docs/protocol.md to the code: its session is spoken with a real daemon byte for byte, its frames are decoded and encoded again, its
 * tables of chunk ids, errors and limits are compared with the constants, and the headings that docstrings refer to are there.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import t from 'tap'
import { ERROR_CODES } from '../../protocol/errors.ts'
import { ChunkIds, decodeMessage, encodeFrame, encodeMessage, FrameDecoder, uuidToBytes, uuidToWords,
  wordsToUuid } from '../../protocol/index.ts'
import type { ChunkWords } from '../../protocol/messages.ts'
import { startDaemon } from '../support/daemon.ts'
import { blocks, headings, hexBytes, readPage, ROOT, table } from './page.ts'

const page = readPage('protocol.md')
const session = blocks(page, 'hex')
  .filter(({ label }) => !['hex find', 'hex watch', 'hex event'].includes(label))
  .map(block => ({ from: block.label.slice(4), bytes: hexBytes(block) }))
const FID = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'

t.test('a real daemon answers the session of the page with the very bytes of the page', async t => {
  t.strictSame(session.map(({ from }) => from), ['client', 'daemon', 'client', 'daemon', 'client', 'daemon'])
  const daemon = await startDaemon(t)
  const socket = connect(daemon.socket)
  t.teardown(() => socket.destroy())
  const incoming = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  for (const { from, bytes } of session) {
    if (from === 'client') {
      socket.write(bytes)
      continue
    }
    let answer = Buffer.alloc(0)
    while (answer.length < bytes.length) {
      const { done, value } = await incoming.next()
      if (done === true) break
      answer = Buffer.concat([answer, value])
    }
    t.equal(answer.toString('hex'), bytes.toString('hex'), answer.toString())
  }
})

for (const [index, { from, bytes }] of session.entries()) {
  t.test(`frame ${index} of the session, from the ${from}, is what the encoder writes`, t => {
    let count = 0
    const decoder = new FrameDecoder()
    decoder.push(bytes, (type, payload) => {
      count++
      const { message, encoding, usesExt } = decodeMessage(type, payload)
      t.equal(encoding, 'json')
      if (from === 'client') t.notOk(usesExt, 'it uses nothing that the original protocol has not')
      t.equal(Buffer.from(encodeFrame('A', message.type, encodeMessage(message, 'json', { data: 'array' }))).toString('hex'), bytes.toString('hex'))
    })
    t.strictSame([count, decoder.framing, decoder.unfinished], [1, 'A', false])
    t.end()
  })
}

t.test('the FIND in framing B and msgpack is what the encoder writes', t => {
  const bytes = hexBytes(blocks(page, 'hex').find(({ label }) => label === 'hex find') as { label: string; text: string })
  const decoder = new FrameDecoder()
  decoder.push(bytes, (type, payload) => {
    const { message, encoding } = decodeMessage(type, payload)
    t.match(message, { type: 4, tags: ['holiday'], limit: 2 })
    t.equal(Buffer.from(encodeFrame('B', message.type, encodeMessage(message, encoding))).toString('hex'), bytes.toString('hex'))
  })
  t.strictSame([decoder.framing, decoder.unfinished], ['B', false])
  t.end()
})

for (const [label, type] of [['hex watch', 8], ['hex event', 9]] as const) {
  t.test(`the ${label.slice(4)} in framing A and JSON is what the encoder writes`, t => {
    const bytes = hexBytes(blocks(page, 'hex').find(block => block.label === label) as { label: string; text: string })
    const decoder = new FrameDecoder()
    decoder.push(bytes, (found, payload) => {
      const { message, encoding } = decodeMessage(found, payload)
      t.equal(message.type, type)
      t.equal(Buffer.from(encodeFrame('A', type, encodeMessage(message, encoding))).toString('hex'), bytes.toString('hex'))
    })
    t.strictSame([decoder.framing, decoder.unfinished], ['A', false])
    t.end()
  })
}

t.test('the numbered chunks of the page are those of the code, and so is the CRC', t => {
  t.ok(page.includes(FID))
  const ids = new ChunkIds(createHash('sha256').update(uuidToBytes(FID)).digest())
  const rows = table(page, '| file | chunk | UUID |')
  t.equal(rows.length, 3)
  for (const [file, chunk, uuid] of rows) {
    t.equal(`\`${wordsToUuid(ids.encode(Number(file), Number(chunk)))}\``, uuid)
    t.strictSame(ids.decode(uuidToWords((uuid as string).slice(1, -1)) as ChunkWords), { file: Number(file), chunk: Number(chunk) })
  }
  const crc = crc32('tally', crc32(uuidToBytes(wordsToUuid(ids.encode(0, 1)))))
  t.match(page, `(Chunk 1 of file 0 with the data \`tally\` has the \`crc32\` ${crc}.)`)
  t.end()
})

t.test('the table of errors has every code, and says which are fatal', t => {
  const rows = table(page, '| code | when |')
  t.strictSame(rows.map(([code]) => code?.slice(1, -1)).sort(), Object.keys(ERROR_CODES).sort())
  for (const [code, , , , fatal] of rows) {
    const name = code?.slice(1, -1) as keyof typeof ERROR_CODES
    if (fatal === 'yes' || fatal === 'no') t.equal(fatal === 'yes', ERROR_CODES[name].fatal, name)
    else t.ok(name === 'malformed' || name === 'busy', `${name} is fatal in some cases`)
  }
  t.end()
})

t.test('every limit of the page is the constant of that name', t => {
  const constants = readConstants(['protocol', 'daemon'])
  const rows = ['| refused | limit |', '| waits | limit |', '| answers | limit |'].flatMap(header => table(page, header))
  t.ok(rows.length > 30)
  for (const [what, limit, name] of rows) {
    const value = Number(limit?.replace(/ .*$/, '').replaceAll(',', ''))
    t.ok(constants.get(name?.slice(1, -1) ?? '')?.has(value), `${what}: ${limit}`)
  }
  const inPage = new Set(rows.map(([, , name]) => name?.slice(1, -1)))
  const inLimits = [...readConstants(['protocol/limits.ts']).keys()].filter(name => name !== 'SIZE_BYTES_MAX' && !name.endsWith('_DEFAULT'))
  for (const name of inLimits) t.ok(inPage.has(name), `${name} of protocol/limits.ts stands in the page`)
  t.end()
})

t.test('the headings that docstrings refer to are there', t => {
  const known = new Set(headings(page).map(heading => heading.toLowerCase()))
  let count = 0
  for (const path of sources(['protocol', 'daemon', 'client'])) {
    // A reference may be broken over two lines of a comment.
    const text = readFileSync(path, 'utf8').replace(/\n\s*\* ?/g, ' ')
    for (const [, quoted, plain] of text.matchAll(/docs\/protocol\.md, (?:"([^"]+)"|([A-Za-z ]+))/g)) {
      for (const name of (quoted ?? plain ?? '').split(' and ')) {
        count++
        t.ok(known.has(name.toLowerCase()), `${name} (${path.slice(ROOT.length + 1)})`)
      }
    }
  }
  t.ok(count >= 15, `${count} references`)
  t.end()
})

t.test('links within the page lead somewhere', t => {
  const anchors = new Set(headings(page).map(heading => heading.toLowerCase().replace(/[^a-z0-9 -]/g, '').replaceAll(' ', '-')))
  const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor as string)
  t.ok(links.length > 10)
  for (const link of links) t.ok(anchors.has(link), link)
  t.end()
})

/** Numeric constants by name, as the sources say them: digits, products and powers. Two files may use a name for two things. */
function readConstants(paths: readonly string[]): Map<string, Set<number>> {
  const constants = new Map<string, Set<number>>()
  for (const path of sources(paths)) {
    const lines = readFileSync(path, 'utf8').matchAll(/^(?:export )?const ([A-Z_]+) = ([\d_]+(?: \*\*? [\d_]+)?)$/gm)
    for (const [, name, expression] of lines) {
      const [left, operator, right] = (expression as string).replaceAll('_', '').split(' ')
      const value = operator === undefined ? Number(left) : operator === '**' ? Number(left) ** Number(right) : Number(left) * Number(right)
      constants.set(name as string, (constants.get(name as string) ?? new Set()).add(value))
    }
  }
  return constants
}

function sources(paths: readonly string[]): string[] {
  return paths.flatMap(path => {
    if (path.endsWith('.ts')) return [join(ROOT, path)]
    return readdirSync(join(ROOT, path), { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
      .map(entry => join(entry.parentPath, entry.name))
  })
}
