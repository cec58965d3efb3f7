/** tallyd's flags and environment, and the secret of the first start. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { type Config, readConfig, UsageError } from '../../daemon/config.ts'
import { makeSecret } from '../../daemon/first-secret.ts'
import { FLAGS, helpText } from '../../daemon/flags.ts'

function config(args: readonly string[], env: Record<string, string> = {}): Config {
  const command = readConfig(args, env, '/home/ada')
  if (command.run !== 'daemon') throw new Error('not the daemon')
  return command.config
}

test('without flags everything has its default', async t => {
  t.strictSame(config([]), {
    sockets: ['/home/ada/.local/state/tally/tally.sock'], areSocketsDefault: true,
    storePath: '/home/ada/.local/share/tally',
    keySource: { kind: 'secret', path: '/home/ada/.config/tally/secret' },
    makeSecret: true,
    requireExp: false,
    durability: 'power',
    fileBytesMax: Number.MAX_SAFE_INTEGER,
    unfinishedKeptMs: 7 * 86_400_000,
    userLimits: {
      quota: { bytesMax: Number.MAX_SAFE_INTEGER, filesMax: Number.MAX_SAFE_INTEGER }, connectionsMax: Infinity, transfersMax: Infinity, bytesPerSecond: Infinity,
    },
    bytesPerSecond: Infinity,
    minFreeBytes: 0,
    scrubBytesPerSecond: 4 * 2 ** 20,
    logFormat: 'text',
    logLevel: 'info',
    limitsByUser: new Map(),
    keptMsByTag: new Map(),
  })
})

test('every flag is heard', async t => {
  const args = ['--socket', '/a', '--socket=/b', '--store', '/s', '--jwks', '/k', '--issuer', 'us', '--audience', 'tally', '--require-exp',
    '--user-claim', 'login', '--durability', 'process', '--max-file-size', '10G', '--quota', '2K', '--quota-files', '7', '--expire-unfinished', '12h', '--connections', '8', '--user-connections', '9',
    '--user-transfers', '10', '--limit-rate', '11', '--user-limit-rate', '12', '--min-free', '13', '--scrub-rate', '0', '--log-format', 'json', '--log-level', 'debug']
  t.strictSame(config(args), {
    sockets: ['/a', '/b'], areSocketsDefault: false, storePath: '/s', keySource: { kind: 'jwks', path: '/k' }, makeSecret: false, issuer: 'us', audience: 'tally',
    requireExp: true, userClaim: 'login', durability: 'process', fileBytesMax: 10 * 2 ** 30,
    unfinishedKeptMs: 12 * 3_600_000,
    userLimits: { quota: { bytesMax: 2048, filesMax: 7 }, connectionsMax: 9, transfersMax: 10, bytesPerSecond: 12 }, bytesPerSecond: 11, connectionsMax: 8, minFreeBytes: 13, scrubBytesPerSecond: 0, logFormat: 'json', logLevel: 'debug', limitsByUser: new Map(), keptMsByTag: new Map(),
  })
})

test('the environment says the same, and flags come first', async t => {
  const env = { TALLY_SOCKET: '/a', TALLY_STORE: '/s', TALLY_SECRET_FILE: '/k', TALLY_DURABILITY: 'process', TALLY_REQUIRE_EXP: '1',
    TALLY_MAX_FILE_SIZE: '5', TALLY_LOG_LEVEL: '' }
  const read = config([], env)
  t.strictSame([read.sockets, read.storePath, read.keySource, read.makeSecret, read.durability, read.requireExp, read.fileBytesMax, read.logLevel],
    [['/a'], '/s', { kind: 'secret', path: '/k' }, false, 'process', true, 5, 'info'])
  const over = config(['--socket', '/b', '--public-key', '/p', '--durability=power'], env)
  t.strictSame([over.sockets, over.keySource, over.durability], [['/b'], { kind: 'public-key', path: '/p' }, 'power'])
  t.equal(config([], { TALLY_REQUIRE_EXP: 'false' }).requireExp, false)
})

test('sizes are bytes, or carry K, M, G or T', async t => {
  for (const [text, bytes] of [['1', 1], ['1k', 1024], ['2M', 2 ** 21], ['3G', 3 * 2 ** 30], ['1T', 2 ** 40]] as const) {
    t.equal(config(['--max-file-size', text]).fileBytesMax, bytes)
  }
})

for (const [args, named] of [
  [['--sokcet', '/a'], /--sokcet.*--socket/],
  [['--durabilty=power'], /--durability\?/],
  [['--zzzzzzzz'], /--zzzzzzzz \(/],
  [['-x'], /-x/],
  [['extra'], /extra/],
  [['--', '--store'], /--store/],
  [['--store'], /--store needs/],
  [['--store='], /--store needs/],
  [['--store', '--jwks'], /--store needs/],
  [['--store', '/a', '--store', '/b'], /--store is given twice/],
  [['--require-exp=yes'], /--require-exp takes/],
  [['--durability', 'none'], /power or process/],
  [['--log-level', 'loud'], /debug or info/],
  [['--log-format', 'xml'], /text or json/],
  [['--max-file-size', '0'], /--max-file-size/],
  [['--max-file-size', '-1'], /--max-file-size/],
  [['--max-file-size', '10X'], /--max-file-size/],
  [['--max-file-size', '9007199254740992'], /--max-file-size/],
  [['--jwks', '/a', '--secret-file', '/b'], /--secret-file or --jwks/],
  [['--socket', `/${'x'.repeat(107)}`], /107/],
] as const) {
  test(`refuses ${args.join(' ').slice(0, 40)}`, async t => {
    t.throws(() => config(args), { name: 'UsageError', message: named })
  })
}

test('a wrong environment is refused by the variable\'s or the flag\'s name', async t => {
  t.throws(() => config([], { TALLY_REQUIRE_EXP: 'maybe' }), { name: 'UsageError', message: /TALLY_REQUIRE_EXP/ })
  t.throws(() => config([], { TALLY_JWKS: '/a', TALLY_PUBLIC_KEY: '/b' }), UsageError)
})

test('a socket\'s path may have 107 bytes', async t => {
  t.equal(config(['--socket', `/${'x'.repeat(106)}`]).sockets[0]?.length, 107)
})

test('help has every flag, and is asked for before anything else is judged', async t => {
  for (const flag of FLAGS) t.match(helpText(), `--${flag.name}`)
  t.strictSame(readConfig(['--help', '--durability', 'none'], {}, '/'), { run: 'help' })
  t.strictSame(readConfig(['-h'], {}, '/'), { run: 'help' })
  t.strictSame(readConfig(['--version'], {}, '/'), { run: 'version' })
})

test('the first start makes a secret for the owner alone, and the next one leaves it', async t => {
  const directory = join(mkdtempSync(join(tmpdir(), 'tally-secret-')), 'a', 'tally')
  const path = join(directory, 'secret')
  t.equal(makeSecret(path), true)
  const secret = readFileSync(path, 'utf8')
  t.match(secret, /^[0-9a-f]{64}\n$/)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(statSync(directory).mode & 0o777, 0o700)
  t.equal(makeSecret(path), false)
  t.equal(readFileSync(path, 'utf8'), secret)
  t.strictSame(readdirSync(directory), ['secret'])
})

test('of two daemons that start at once one makes the secret, and both have the same', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'tally-secret-'))
  const go = join(directory, 'go')
  const path = join(directory, 'secret')
  const module = JSON.stringify(new URL('../../daemon/first-secret.ts', import.meta.url).href)
  const program = `const { makeSecret } = await import(${module}); const { existsSync, readFileSync } = await import('node:fs')
    console.log('ready'); while (!existsSync(${JSON.stringify(go)}));
    console.log(makeSecret(${JSON.stringify(path)}) + ' ' + readFileSync(${JSON.stringify(path)}, 'utf8').trim())`
  const starters = [0, 1].map(() => spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] }))
  const outputs = starters.map(child => ({ text: '' , child }))
  await Promise.all(outputs.map(output => new Promise<void>(resolve => output.child.stdout.on('data', (data: Buffer) => {
    output.text += String(data)
    if (output.text.includes('ready')) resolve()
  }))))
  writeFileSync(go, '')
  await Promise.all(outputs.map(({ child }) => new Promise(resolve => child.once('close', resolve))))
  const [a, b] = outputs.map(({ text }) => (text.split('\n')[1] ?? '').split(' '))
  t.strictSame([a?.[0], b?.[0]].sort(), ['false', 'true'])
  t.equal(a?.[1], b?.[1])
  t.ok(existsSync(path))
  t.strictSame(readdirSync(directory).sort(), ['go', 'secret'])
})
