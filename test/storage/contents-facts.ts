/** What every store promises about bytes, their digests and their removal. */
import type { Store } from '../../daemon/storage/storage.ts'
import type { Fact } from './conformance.ts'
import { codeOf, sha256 } from './samples.ts'

export function contentsFacts(fact: Fact): void {
  fact('bytes are read back as written, in any order, with holes as zeros', async (t, { contents }, under) => {
    await Promise.all([
      contents.write(7, 5000, [Buffer.from('tail')]),
      contents.write(7, 0, [Buffer.from('he'), Buffer.alloc(0), Buffer.from('ad')]),
      contents.write(4097, 0, [Buffer.alloc(300_000, 7)]),
    ])
    await contents.sync([7, 4097, 7])
    const whole = Buffer.concat([Buffer.from('head'), Buffer.alloc(4996), Buffer.from('tail')])
    const check = async ({ contents }: Store): Promise<void> => {
      const reader = await contents.open(7)
      t.same(Buffer.from(await reader.read(0, 5004)), whole)
      t.same(Buffer.from(await reader.read(4999, 3)), Buffer.from('\0ta'))
      t.equal((await reader.read(1, 0)).length, 0)
      t.equal(await codeOf(reader.read(5000, 5)), 'content-damaged')
      await reader.close()
      t.equal((await contents.digest(4097, 300_000)).digest, sha256(Buffer.alloc(300_000, 7)))
    }
    await check(under.store)
    await check(await under.reopen())
  })

  fact('digests cover exactly the bytes asked for, hashed along or not, and after a restart', async (t, { contents }) => {
    const bytes = Buffer.alloc(5_000_000)
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(at, at)
    for (let at = 0; at < bytes.length; at += 1_000_000) {
      await contents.write(1, at, [bytes.subarray(at, at + 1_000_000)])
      contents.advance(1, at + 1_000_000)
    }
    t.equal((await contents.digest(1, 5_000_000)).digest, sha256(bytes))
    t.equal((await contents.digest(1, 4_999_999)).digest, sha256(bytes.subarray(0, 4_999_999)))
    contents.advance(1, 3_000_000)
    contents.restart(1)
    await contents.write(1, 0, [Buffer.from('anew')])
    bytes.write('anew')
    contents.advance(1, 4_000_000)
    t.equal((await contents.digest(1, 5_000_000)).digest, sha256(bytes))
    t.equal((await contents.digest(2, 0)).digest, sha256(Buffer.alloc(0)), 'nothing needs no blob')
    t.equal(await codeOf(contents.digest(2, 1)), 'content-damaged')
    t.equal(await codeOf(contents.digest(1, 5_000_001)), 'content-damaged')
  })

  fact('an absent blob is damaged content; removing it is no error', async (t, { contents }) => {
    t.equal(await codeOf(contents.open(5)), 'content-damaged')
    await contents.remove(5)
    await contents.release(6)
    await contents.sync([6])
  })

  fact('removal does not disturb an open reader, and nothing brings the blob back', async (t, { contents }, under) => {
    await contents.write(3, 0, [Buffer.from('bytes')])
    await contents.sync([3])
    const reader = await contents.open(3)
    await contents.remove(3)
    t.same(Buffer.from(await reader.read(0, 5)), Buffer.from('bytes'))
    await reader.close()
    await contents.write(3, 0, [Buffer.from('late')])
    await contents.sync([3])
    t.equal(await codeOf(contents.open(3)), 'content-damaged')
    const again = await under.reopen()
    t.equal(await codeOf(again.contents.open(3)), 'content-damaged')
  })

  fact('a released blob can be written again', async (t, { contents }) => {
    await contents.write(3, 0, [Buffer.from('first')])
    await contents.release(3)
    await contents.sync([3])
    await contents.release(3)
    await contents.write(3, 5, [Buffer.from('second')])
    await contents.sync([3])
    t.equal((await contents.digest(3, 11)).digest, sha256(Buffer.from('firstsecond')))
  })
}
