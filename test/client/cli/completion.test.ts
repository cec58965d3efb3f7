/** `tally completion`: in bash, as it is typed, and what is wrong with a command line. The other shells are in test/system/. */
import t from 'tap'
import { setUp } from './run-cli.ts'
import { BASH, completes } from './shells.ts'

t.test('bash completes commands, flags, tags, ids and paths, and runs nothing of them', { timeout: 300_000 }, t => completes(t, BASH))

t.test('only known shells and lists are taken; without a daemon a list is empty and silent', async t => {
  const { run } = await setUp(t)
  for (const args of [['completion'], ['completion', 'tcsh'], ['completion', 'bash', 'zsh'], ['completion', '--list', 'names']]) {
    t.equal((await run(args)).code, 2, args.join(' '))
  }
  const { stdout, stderr } = await run(['completion', '--list', 'tag', '--', 'tally', 'ls', '--socket', './nowhere', '--tag'])
  t.strictSame([stdout.toString(), stderr], ['', ''])
})

t.test('what is unfinished is listed for those commands that take it', async t => {
  const { daemon, run } = await setUp(t)
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  const fid = '0b6f7a3e-0000-4000-8000-000000000000'
  await client.authenticate(daemon.token({ sub: `${process.getuid?.()}` }), { fid, files: [{ name: 'half', size: 10 }] })
  t.equal((await run(['completion', '--list', 'fid'])).stdout.toString(), `${fid}\thalf\n`)
  t.equal((await run(['completion', '--list', 'id'])).stdout.toString(), '')
})
