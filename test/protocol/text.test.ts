/** UTF-8 and base64, each held against Node's own decoders by properties, and against the cases that those forgive. */
import fc from 'fast-check'
import t from 'tap'
import { base64Length, readBase64, writeBase64 } from '../../protocol/base64.ts'
import { decodeUtf8, isUtf8, utf8Length } from '../../protocol/utf8.ts'
import { hex, refusal, utf8 } from './support.ts'

const strict = new TextDecoder('utf-8', { fatal: true })

function wellFormed(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes)
    return true
  } catch {
    return false
  }
}

t.test('tells well-formed UTF-8 as the standard decoder does, for every pair of bytes and their neighbours', async t => {
  const different: string[] = []
  for (let lead = 0; lead < 256; lead++) {
    for (let second = 0; second < 256; second++) {
      for (const rest of [[], [0x80], [0x80, 0x80], [0xbf, 0xbf], [0x80, 0x41], [0x41]]) {
        const bytes = Uint8Array.of(lead, second, ...rest)
        if (isUtf8(bytes, 0, bytes.length) !== wellFormed(bytes)) different.push(Buffer.from(bytes).toString('hex'))
      }
    }
  }
  t.strictSame(different, [])
})

t.test('a text cut inside a character is not well-formed', async t => {
  const bytes = utf8('𝄞')
  for (let end = 1; end < 4; end++) t.equal(isUtf8(bytes, 0, end), false)
  t.equal(isUtf8(bytes, 0, 4), true)
})

t.test('keeps a byte order mark as a character', async t => {
  t.equal(decodeUtf8(hex('efbbbf61')), '\ufeffa')
})

t.test('counts the bytes of a text without encoding it', async t => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), text => utf8Length(text) === Buffer.byteLength(text)))
  t.equal(utf8Length('aé€𝄞'), 1 + 2 + 3 + 4)
})

t.test('base64 goes there and back, and is what Buffer writes', async t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), data => {
      const text = new Uint8Array(base64Length(data.length))
      t.equal(writeBase64(data, text, 0), text.length)
      return (
        Buffer.from(text).toString() === Buffer.from(data).toString('base64') &&
        Buffer.from(data).equals(Buffer.from(readBase64(text, 0, text.length)))
      )
    }),
  )
  t.pass()
})

const REFUSED = {
  'no padding': 'aGVsbG8',
  'a space': 'aGVs bG8',
  'a line break': 'aGVsbG\n=',
  'the alphabet of URLs': 'a-_=',
  'stray bits after one byte': 'aR==',
  'stray bits after two bytes': 'aGW=',
  'padding alone': '====',
  'three pads': 'a===',
  'padding in the middle': 'aA==aA==',
  'a stray one before a pad': 'a*A=',
  'a stray one before two pads': 'a*==',
  'beyond ASCII': 'aGVé',
}
for (const [what, text] of Object.entries(REFUSED)) {
  t.test(`base64 with ${what} is refused`, async t => {
    const bytes = utf8(text)
    t.match(
      refusal(() => readBase64(bytes, 0, bytes.length)),
      { code: 'malformed', details: { field: 'data' } },
    )
  })
}
