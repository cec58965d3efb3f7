/** Local names for names that a server gave: harmless whatever they are, and each file its own. */
import fc from 'fast-check'
import t from 'tap'
import { LocalNames, safeName } from '../../client/safe-name.ts'

const TABLE: readonly (readonly [name: string, local: string])[] = [
  ['photo.jpg', 'photo.jpg'],
  ['.bashrc', '.bashrc'],
  ['Zürich – 東京.txt', 'Zürich – 東京.txt'],
  ['a b', 'a b'],
  ['../../etc/passwd', '.._.._etc_passwd'],
  ['/etc/passwd', '_etc_passwd'],
  ['a/b', 'a_b'],
  ['.', '_'],
  ['..', '__'],
  ['...', '...'],
  ['', '_'],
  ['/', '_'],
  ['-rf', '_rf'],
  ['~root', '_root'],
  ['a\u0000b', 'a_b'],
  ['a\nb\u001b[2Jc', 'a_b_[2Jc'],
  ['a\u0085b', 'a_b'],
  ['gpj\u202etxt.exe', 'gpj_txt.exe'],
  ['.tally-0123-4567.part', '_.tally-0123-4567.part'],
  ['.tally-0\u202e123/4567.part', '_.tally-0_123_4567.part'],
]

for (const [name, local] of TABLE) {
  t.test(`${JSON.stringify(name)} becomes ${JSON.stringify(local)}`, async t => {
    t.equal(safeName(name), local)
  })
}

t.test('1,024 bytes of emoji are cut between characters, and keep a mark of the whole', async t => {
  const name = '😀'.repeat(256)
  const local = safeName(name)
  t.ok(Buffer.byteLength(local) <= 255)
  t.match(local, /^(?:😀)+~[0-9a-f]{8}$/u)
  t.not(safeName(`${name.slice(0, -2)}😁`), local)
})

t.test('a long name keeps its extension', async t => {
  const local = safeName(`${'a'.repeat(300)}.tar.gz`)
  t.match(local, /~[0-9a-f]{8}\.gz$/)
  t.equal(Buffer.byteLength(local), 255)
})

t.test('whatever the name, one harmless component comes out, and a second time the same', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 400 }), name => {
    const local = safeName(name)
    const bytes = Buffer.byteLength(local)
    return bytes >= 1 && bytes <= 255 && local !== '.' && local !== '..' && !/[/\p{Cc}]/u.test(local) && safeName(local) === local
  }), { numRuns: 2000 }))
})

t.test('files of one name, or of names that become one, are told apart, the same way each time', async t => {
  const take = (): string[] => {
    const names = new LocalNames()
    return [names.take('a/b.txt', '1/0'), names.take('a_b.txt', '2/0'), names.take('a_b.txt', '3/0'), names.take('a_b.txt', '2/0')]
  }
  const [first, second, third, secondAgain] = take()
  t.equal(first, 'a_b.txt')
  t.match(second, /^a_b~[0-9a-f]{8}\.txt$/)
  t.equal(new Set([first, second, third]).size, 3)
  t.equal(secondAgain, second)
  t.strictSame(take(), take())
})

t.test('a name that was chosen to be what another becomes costs nobody his own', async t => {
  const probe = new LocalNames()
  probe.take('a.txt', '1/0')
  const chosen = probe.take('a.txt', '2/0')
  const names = new LocalNames()
  const taken = [names.take(chosen, 'evil/0'), names.take('a.txt', '1/0'), names.take('a.txt', '2/0')]
  t.equal(new Set(taken).size, 3)
  t.equal(names.take('a.txt', '2/0'), taken[2])
})
