/** UUIDs as words and numbered chunks, by ids that an independent encoder made (the same as in the protocol's vectors). */
import { createHash } from 'node:crypto'
import { test } from 'tap'
import { ChunkIds, isVersion8, uuidToBytes, uuidToHex, uuidToWords, wordsToUuid } from '../../protocol/chunk-id.ts'
import type { ChunkWords } from '../../protocol/messages.ts'

const VECTORS = [
  ['6ba7b810-9dad-41d1-80b4-00c04fd430c8', 0, 0, '00000000-0000-8000-9ed4-ab89cecade19'],
  ['6ba7b810-9dad-41d1-80b4-00c04fd430c8', 0, 1, '00000000-0001-8000-9ed4-ab89cecade19'],
  ['6ba7b810-9dad-41d1-80b4-00c04fd430c8', 3, 123_456_789, '0000075b-cd15-8003-9ed4-ab89cecade19'],
  ['6ba7b810-9dad-41d1-80b4-00c04fd430c8', 4095, 2 ** 48 - 1, 'ffffffff-ffff-8fff-9ed4-ab89cecade19'],
  ['00000000-0000-4000-8000-000000000000', 0, 0, '00000000-0000-8000-a4c6-242af88d36ee'],
  ['ffffffff-ffff-4fff-bfff-ffffffffffff', 1, 2, '00000000-0002-8001-b2f3-41fbf7cf3023'],
] as const
const FID = VECTORS[0][0]

function idsOf(fid: string): ChunkIds {
  return new ChunkIds(createHash('sha256').update(uuidToBytes(fid)).digest())
}

function words(text: string): ChunkWords {
  const found = uuidToWords(text)
  if (found === undefined) throw new Error(`${text} is no UUID`)
  return found
}

for (const [fid, file, chunk, uuid] of VECTORS) {
  test(`chunk ${file}/${chunk} of ${fid} is ${uuid}`, async t => {
    t.equal(wordsToUuid(idsOf(fid).encode(file, chunk)), uuid)
    t.strictSame(idsOf(fid).decode(words(uuid)), { file, chunk })
    t.strictSame(idsOf(fid).decode(words(uuid.toUpperCase())), { file, chunk })
    t.equal(isVersion8(words(uuid)), true)
  })
}

test('the bits of a chunk number cross the words in order', async t => {
  const ids = idsOf(FID)
  for (let bit = 0; bit < 48; bit++) t.strictSame(ids.decode(ids.encode(0xabc, 2 ** bit)), { file: 0xabc, chunk: 2 ** bit })
})

test('an id of another transfer, or with any of its 68 fixed bits turned, is nobody\'s', async t => {
  const ids = idsOf(FID)
  t.equal(ids.decode(words(VECTORS[4][3])), undefined)
  const bytes = uuidToBytes(VECTORS[2][3])
  for (let bit = 0; bit < 128; bit++) {
    if (bit < 48 || (bit >= 52 && bit < 64)) continue // the chunk's and the file's number
    const turned = Buffer.from(bytes)
    turned[bit >> 3] = turned[bit >> 3] as number ^ 0x80 >> (bit & 7)
    t.equal(ids.decode([turned.readUInt32BE(0), turned.readUInt32BE(4), turned.readUInt32BE(8), turned.readUInt32BE(12)]), undefined, `bit ${bit}`)
  }
})

test('only version 8 with the variant of RFC 9562 is a numbered chunk', async t => {
  for (let version = 0; version < 16; version++) {
    for (let variant = 0; variant < 16; variant++) {
      const uuid = `00000000-0000-${version.toString(16)}000-${variant.toString(16)}000-000000000000`
      t.equal(isVersion8(words(uuid)), version === 8 && variant >= 8 && variant < 12, uuid)
    }
  }
})

test('a UUID in any case is the same words and comes back in lower case', async t => {
  t.strictSame(words('01234567-89AB-cDeF-fedc-BA9876543210'), [0x01234567, 0x89abcdef, 0xfedcba98, 0x76543210])
  t.equal(wordsToUuid([0x01234567, 0x89abcdef, 0xfedcba98, 0x76543210]), '01234567-89ab-cdef-fedc-ba9876543210')
  t.equal(uuidToHex([0xffffffff, 0, 1, 0x10]), 'ffffffff000000000000000100000010')
  t.strictSame([...uuidToBytes('01234567-89ab-cdef-fedc-ba9876543210')], [1, 35, 69, 103, 137, 171, 205, 239, 254, 220, 186, 152, 118, 84, 50, 16])
})

test('refuses what is not 8-4-4-4-12 hex', async t => {
  t.equal(uuidToWords(''), undefined)
  t.equal(uuidToWords(`${FID}0`), undefined)
  t.equal(uuidToWords(FID.slice(1)), undefined)
  t.equal(uuidToWords(FID.replaceAll('-', '0')), undefined)
  for (let at = 0; at < 36; at++) {
    for (const wrong of ['g', '-', ' ', '/', ':', '@', '`', '0', '٣', '\u0130']) {
      const isHyphen = at === 8 || at === 13 || at === 18 || at === 23
      if (wrong === (isHyphen ? '-' : '0')) continue
      t.equal(uuidToWords(FID.slice(0, at) + wrong + FID.slice(at + 1)), undefined, `${wrong} at ${at}`)
    }
  }
  t.throws(() => uuidToBytes('none'), RangeError)
})

test('our own mistakes throw', async t => {
  const ids = idsOf(FID)
  for (const [file, chunk] of [[-1, 0], [4096, 0], [0.5, 0], [0, -1], [0, 2 ** 48], [0, 0.5], [Number.NaN, 0]] as const) {
    t.throws(() => ids.encode(file, chunk), RangeError, `${file}/${chunk}`)
  }
  t.throws(() => new ChunkIds(new Uint8Array(7)), RangeError)
})

test('a digest that is a view on a larger buffer is read from its own start', async t => {
  const digest = createHash('sha256').update(uuidToBytes(FID)).digest()
  const view = new Uint8Array([9, 9, 9, ...digest]).subarray(3)
  t.equal(wordsToUuid(new ChunkIds(view).encode(0, 1)), VECTORS[1][3])
})
