/** What other people called their files can do no harm here: hostile names, links, and files that are there already. */
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { connect } from '../../../client/index.ts'
import { setUp } from './run-cli.ts'

t.test('hostile names are stored as they are and fetched as harmless ones', async t => {
  const { daemon, directory, run } = await setUp(t)
  const names = [
    '../../etc/passwd', 'a/b', '😀'.repeat(256), '.', '..', 'x\u001b[2J', 'same', 'same', '/etc/shadow', 'a//./b', 'a', '.tally-0.part', 'x/',
    'x\u0001/y', 'x_/y', `${'long'.repeat(80)}/z`, '-rf/~',
  ]
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  for (const [index, name] of names.entries()) await tally.put(Buffer.from(`${index}`), { name, tags: ['odd'] })
  const ls = await run(['ls', '--tag', 'odd', '--json'])
  t.same(ls.json.map(file => file['name']).reverse(), names)
  t.notMatch((await run(['ls', '--tag', 'odd'])).stdout.toString(), '\u001b')
  mkdirSync(join(directory, 'in', 'here'), { recursive: true })
  const get = await run(['get', '--tag', 'odd', '-o', 'in/here', '--json'])
  t.equal(get.code, 0, get.stderr)
  t.same(readdirSync(join(directory, 'in')), ['here'])
  const fetched = readdirSync(join(directory, 'in', 'here'), { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  t.equal(fetched.length, names.length)
  t.same(fetched.map(entry => readFileSync(join(entry.parentPath, entry.name), 'utf8')).sort(), names.map((_, index) => `${index}`).sort())
  t.equal(readFileSync(join(directory, 'in/here/__/__/etc/passwd'), 'utf8'), '0')
  t.equal(readFileSync(join(directory, 'in/here/a/b'), 'utf8'), '1')
  t.equal((await run(['get', '--tag', 'odd', '-o', 'in/here'])).code, 0, 'again: all are there already')
})

t.test('nothing is written over a file or through a link without --force', async t => {
  const { directory, run } = await setUp(t)
  writeFileSync(join(directory, 'f'), 'new')
  const fid = `${(await run(['put', 'f', '--json'])).json[0]?.['fid']}`
  writeFileSync(join(directory, 'old'), 'old')
  symlinkSync('old', join(directory, 'link'))
  symlinkSync('nowhere', join(directory, 'dangling'))
  for (const target of ['old', 'link', 'dangling']) t.equal((await run(['get', fid, '-o', target])).code, 1, target)
  t.equal(readFileSync(join(directory, 'old'), 'utf8'), 'old')
  t.equal(existsSync(join(directory, 'nowhere')), false)
  t.equal((await run(['get', fid, '-o', 'link', '--force'])).code, 0)
  t.equal(lstatSync(join(directory, 'link')).isSymbolicLink(), false)
  t.equal(readFileSync(join(directory, 'link'), 'utf8'), 'new')
  t.equal(readFileSync(join(directory, 'old'), 'utf8'), 'old')
})

t.test('a link or a file where a directory must be stops only what is below it; nothing lands outside', async t => {
  const { daemon, directory, run } = await setUp(t)
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  for (const name of ['link/x', 'file/x', 'fine/x']) await tally.put(Buffer.from(name), { name, tags: ['t'] })
  mkdirSync(join(directory, 'outside'))
  mkdirSync(join(directory, 'target'))
  symlinkSync('../outside', join(directory, 'target/link'))
  writeFileSync(join(directory, 'target/file'), 'old')
  for (const force of [[], ['--force']]) {
    const got = await run(['get', '--tag', 't', '-o', 'target', '--json', ...force])
    t.equal(got.code, 1)
    t.same(got.json.map(({ error }) => (error as { code?: string } | undefined)?.code ?? 'ok').sort(), ['ok', 'unsafe-target', 'unsafe-target'])
  }
  t.same(readdirSync(join(directory, 'outside')), [])
  t.equal(readFileSync(join(directory, 'target/file'), 'utf8'), 'old')
  t.equal(readFileSync(join(directory, 'target/fine/x'), 'utf8'), 'fine/x')
})

t.test('of equal names the oldest has the plain one, however fast each is, in every run', async t => {
  const { daemon, directory, run } = await setUp(t)
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  for (const size of [3_000_000, 10, 0]) await tally.put(Buffer.alloc(size), { name: 'd/same', tags: ['t'] })
  for (const target of ['one', 'two']) t.equal((await run(['get', '--tag', 't', '-o', target])).code, 0)
  t.equal(readFileSync(join(directory, 'one/d/same')).length, 3_000_000)
  t.same(readdirSync(join(directory, 'one/d')), readdirSync(join(directory, 'two/d')))
})
