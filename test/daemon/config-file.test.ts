/** The configuration file: what it says, which place wins, and what is refused by name. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'smol-toml'
import { test } from 'tap'
import { type Config, readConfig } from '../../daemon/config.ts'
import { FLAGS } from '../../daemon/flags.ts'

const MAIN = fileURLToPath(new URL('../../daemon/main.ts', import.meta.url))

function fileWith(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'tally-config-')), 'config.toml')
  writeFileSync(path, text)
  return path
}

function config(args: readonly string[], env: Record<string, string> = {}, home = '/home/ada'): Config {
  const command = readConfig(args, env, home)
  if (command.run !== 'daemon') throw new Error('not the daemon')
  return command.config
}

function printed(args: readonly string[], env: Record<string, string> = {}): string {
  const command = readConfig([...args, '--print-config'], env, '/home/ada')
  return command.run === 'print-config' ? command.text : ''
}

const EVERYTHING = `
socket = ["/a", "/b"]
store = "/s"
jwks = "/k"
issuer = "us"
audience = "tally"
require-exp = true
user-claim = "login"
durability = "process"
max-file-size = "10G"
quota = "2K"
quota-files = 7
scrub-rate = "5K"
expire-unfinished = "12h"
connections = 8
user-connections = 9
user-transfers = 10
limit-rate = 11
user-limit-rate = 12
min-free = 13
log-format = "json"
log-level = "debug"
`

test('every setting can stand in the file', async t => {
  t.strictSame(config(['--config', fileWith(EVERYTHING)]), {
    sockets: ['/a', '/b'], areSocketsDefault: false, storePath: '/s', keySource: { kind: 'jwks', path: '/k' }, makeSecret: false, issuer: 'us', audience: 'tally',
    requireExp: true, userClaim: 'login', durability: 'process', fileBytesMax: 10 * 2 ** 30,
    unfinishedKeptMs: 12 * 3_600_000, scrubBytesPerSecond: 5120,
    userLimits: { quota: { bytesMax: 2048, filesMax: 7 }, connectionsMax: 9, transfersMax: 10, bytesPerSecond: 12 }, bytesPerSecond: 11,
    connectionsMax: 8, socketMode: 0o600, minFreeBytes: 13, logFormat: 'json', logLevel: 'debug', limitsByUser: new Map(), keptMsByTag: new Map(),
  })
  t.equal(config(['--config', fileWith('socket = "/one"\nmax-file-size = 5')]).fileBytesMax, 5)
})

test('a flag wins over a variable, a variable over the file, the file over the default', async t => {
  const path = fileWith('store = "/file"\ndurability = "process"\nlog-level = "warn"\nrequire-exp = true')
  const env = { TALLY_CONFIG: path, TALLY_STORE: '/variable', TALLY_DURABILITY: 'power', TALLY_REQUIRE_EXP: 'false' }
  const read = config(['--store', '/flag'], env)
  t.strictSame([read.storePath, read.durability, read.logLevel, read.logFormat, read.requireExp], ['/flag', 'power', 'warn', 'text', false])
})

test('the highest place that names keys decides alone', async t => {
  const path = fileWith('jwks = "/file.json"')
  t.strictSame(config(['--config', path]).keySource, { kind: 'jwks', path: '/file.json' })
  t.strictSame(config(['--config', path, '--secret-file', '/flag']).keySource, { kind: 'secret', path: '/flag' })
  t.strictSame(config(['--config', path], { TALLY_PUBLIC_KEY: '/pem' }).keySource, { kind: 'public-key', path: '/pem' })
  t.throws(() => config(['--config', fileWith('jwks = "/a"\nsecret-file = "/b"')]), { name: 'UsageError', message: /config\.toml: secret-file or .+config\.toml: jwks$/ })
})

test('the default file need not be there, a named one must', async t => {
  const home = mkdtempSync(join(tmpdir(), 'tally-config-'))
  t.equal(config([], {}, home).durability, 'power')
  mkdirSync(join(home, '.config', 'tally'), { recursive: true })
  writeFileSync(join(home, '.config', 'tally', 'config.toml'), 'durability = "process"')
  t.equal(config([], {}, home).durability, 'process')
  t.equal(config([], { XDG_CONFIG_HOME: '/nowhere' }, home).durability, 'power')
  const absent = `the configuration file ${join(home, 'absent')} cannot be read: there is no such file`
  t.throws(() => config(['--config', join(home, 'absent')]), { name: 'UsageError', message: `--config: ${absent}` })
  t.throws(() => config([], { TALLY_CONFIG: join(home, 'absent') }), { name: 'UsageError', message: `TALLY_CONFIG: ${absent}` })
  t.throws(() => config(['--config', home]), { message: `--config: the configuration file ${home} cannot be read: it is a directory` })
  rmSync(join(home, '.config', 'tally', 'config.toml'))
  mkdirSync(join(home, '.config', 'tally', 'config.toml'))
  t.throws(() => config([], {}, home), { message: /^the configuration file \S+config\.toml cannot be read: it is a directory$/ })
})

for (const [text, named] of [
  ['sokcet = "/a"', /"sokcet"; did you mean socket\?/],
  ['zzzzzz = 1', /there is no setting "zzzzzz"$/],
  ['migrate = true', /"migrate"/],
  ['config = "/a"', /"config"/],
  ['store = ["/a"]', /store is a path such as "\/var\/lib\/tally", not a list$/],
  ['store = ""', /store is a path .*, not ""$/],
  ['store = 5', /store is a path .*, not 5$/],
  ['socket = [1979-05-27]', /socket is a path such as "\/run\/tally\/tally\.sock", or a list of them, not a date$/],
  ['require-exp = "yes"', /require-exp is true or false, not "yes"$/],
  ['socket = []', /socket is a path .*, not an empty list$/],
  ['require-exp = 1', /require-exp is true or false, not 1$/],
  ['limit-rate = true', /limit-rate is a number of bytes such as 1000000, "500M" or "10G", not true$/],
  ['connections = 1.5', /connections is a number such as 100000, not 1\.5$/],
  ['connections = [5]', /connections is a number such as 100000, not a list$/],
  ['[quota]\nbytes = 5', /quota is a number of bytes .*, not a table$/],
  ['expire-unfinished = 7', /expire-unfinished is a time such as "7d", "12h" or "30m", not 7$/],
  ['socket-mode = 0o660', /socket-mode is three octal digits in quotes such as "0660", not 432$/],
  ['log-level = false', /log-level is "debug" or "info" or "warn" or "error", not false$/],
  ['issuer = 5', /issuer is a string such as "tally", not 5$/],
  ['[users.ann]\nuser-transfers = true', /users\.ann\.user-transfers is a number such as 100000, not true$/],
  ['[tags.scratch]\nexpires = 30', /tags\.scratch\.expires is a time .*, not 30$/],
  ['durability = "none"', /power or process/],
  ['store = "/a"\nstore = "/b"', /:2:/],
  ['store = ', /:1:/],
  ['\n\nstore == "/a"', /:3:/],
  ['store = [[[[[[1]]]]]]', /config\.toml/],
  ['__proto__ = 1', /config\.toml/],
  ['[user.ann]\nquota = 1', /"user"; did you mean users\?/],
  ['users = 1', /users is a table such as \[users\.ann\], not 1$/],
  ['tags = "a"', /tags is a table such as \[tags\.scratch\], not "a"$/],
  ['[users]\nann = 1979-05-27', /users\.ann is a table/],
  ['[users.ann]\nqouta = 1', /"users\.ann\.qouta"; did you mean quota\?/],
  ['[users.ann]\nstore = "/a"', /"users\.ann\.store"/],
  ['[users.ann]\nquota = "much"', /config\.toml: users\.ann\.quota is a number/],
  ['[tags.scratch]\nquota = 1', /"tags\.scratch\.quota"/],
  ['[client]\nsokcet = "/a"', /"client\.sokcet"; did you mean socket\?/],
  ['[client]\nsocket = 1', /client\.socket is a path such as .*, not 1$/],
  ['[client]\ntoken-file = ""', /client\.token-file is a path .*, not ""$/],
  ['[client]\ntrusted-uids = [1, "ann"]', /client\.trusted-uids is a list of numbers such as \[990\], not a list$/],
  ['client = "/a"', /client is a table such as \[client\], not "\/a"$/],
  ['[clinet]\nsocket = "/a"', /"clinet"; did you mean client\?/],
  ['[tags.scratch]\nexpires = "soon"', /config\.toml: tags\.scratch\.expires is a time/],
] as const) {
  test(`refuses ${JSON.stringify(text)}, and says where`, async t => {
    t.throws(() => config(['--config', fileWith(text)]), { name: 'UsageError', message: named })
  })
}

test('a tag\'s expiry takes the times that tally put --expires takes; that of unfinished transfers a minute or more', async t => {
  for (const [text, ms] of [['30s', 30_000], ['10m', 600_000], ['2h', 7_200_000], ['365d', 31_536_000_000]] as const) {
    t.strictSame([...config(['--config', fileWith(`[tags.scratch]\nexpires = "${text}"`)]).keptMsByTag], [['scratch', ms]])
  }
  t.throws(() => config(['--config', fileWith('[tags.scratch]\nexpires = "0s"')]), { message: /tags\.scratch\.expires is a time/ })
  t.equal(config(['--expire-unfinished', '60s']).unfinishedKeptMs, 60_000)
  t.throws(() => config(['--expire-unfinished', '59s']), { message: '--expire-unfinished is a minute (1m) or more, not "59s"' })
})

test('each setting refuses every kind but its own, with examples that it takes', async t => {
  const wrong = ['true', '5', '1.5', '"x"', '[[1]]', '1979-05-27', '[]']
  const told = (text: string): string => {
    try {
      config(['--config', fileWith(text)])
      return ''
    } catch (error) {
      return error instanceof Error ? error.message : ''
    }
  }
  for (const { name, inFile } of FLAGS) {
    if (inFile !== true) continue
    const refusals = wrong.map(value => told(`${name} = ${value}`)).filter(message => message !== '')
    t.ok(refusals.length >= 4 && refusals.every(message => message.includes(`: ${name} is `)), name)
    const [, examples = ''] = / is (?:\D*? such as )?(.+?), (?:or a list of them, )?not /.exec(told(`${name} = 1979-05-27`)) ?? []
    for (const example of examples.split(/, | or /)) t.equal(told(`${name} = ${example}`), '', `${name} = ${example}`)
  }
})

test('a user\'s own limits and a tag\'s expiry stand in tables; of limits the smallest holds', async t => {
  const path = fileWith('quota = "10G"\nuser-connections = 5\n[users."a.b"]\nquota = "1G"\nuser-connections = 50\n[users.bob]\nquota = "20G"\n[tags.scratch]\nexpires = "30d"')
  const { limitsByUser, keptMsByTag } = config(['--config', path])
  t.match(limitsByUser.get('a.b'), { quota: { bytesMax: 2 ** 30 }, connectionsMax: 5 })
  t.match(limitsByUser.get('bob'), { quota: { bytesMax: 10 * 2 ** 30 }, connectionsMax: 5 })
  t.equal(limitsByUser.get('ann'), undefined)
  t.strictSame([...keptMsByTag], [['scratch', 30 * 86_400_000]])
  const text = printed(['--config', path])
  t.match(text, `[users."a.b"]\nquota = "1G"  # ${path}\nuser-connections = "50"  # ${path}\n`)
  t.strictSame(config(['--config', fileWith(text)]).limitsByUser, limitsByUser)
})

test('--print-config gives each setting its place, and is a file that says the same', async t => {
  const path = fileWith('store = "/fi\\"le"\nrequire-exp = true\nsocket = ["/a", "/b"]')
  const text = printed(['--config', path, '--durability', 'process'], { TALLY_LOG_LEVEL: 'debug' })
  t.match(text, /^durability = "process" +# --durability$/m)
  t.match(text, /^log-level = "debug" +# TALLY_LOG_LEVEL$/m)
  t.match(text, new RegExp(`^require-exp = true +# ${path}$`, 'm'))
  t.match(text, /^log-format = "text" +# default$/m)
  t.match(text, /^# issuer is not set: any +# default$/m)
  for (const { name, inFile } of FLAGS) if (inFile === true) t.match(text, name)
  t.strictSame(parse(text)['socket'], ['/a', '/b'])
  t.strictSame(config(['--config', fileWith(text)]), config(['--config', path, '--durability', 'process', '--log-level', 'debug']))
})

test('a first start on what --print-config printed makes the default secret, as without it', async t => {
  const home = mkdtempSync(join(tmpdir(), 'tally-home-'))
  const run = (...args: string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', env: { PATH: '/bin', HOME: home }, timeout: 20_000 })
  const file = fileWith(run('--print-config').stdout)
  t.match(run('--check-config', '--config', file), { status: 0, stderr: '' })
  // The socket's place is taken, so it ends by itself.
  mkdirSync(join(home, '.local/state/tally/tally.sock'), { recursive: true })
  t.match(run('--config', file), { status: 1, stderr: /made a secret for tokens.*there is something else at the socket's path/s })
  t.match(readFileSync(join(home, '.config/tally/secret'), 'latin1'), /^[0-9a-f]{64}\n$/)
  t.equal(config(['--public-key', join(home, '.config/tally/secret')], {}, home).makeSecret, false)
})

test('--print-config shows what holds where nobody said anything, and what tally reads', async t => {
  const path = fileWith('socket-group = "g"\n[client]\ntoken-file = "/t"\ntrusted-uids = [990, 7]')
  const text = printed(['--config', path])
  for (const line of ['connections = "10000"', 'min-free = "0"', 'require-exp = false', 'socket-mode = "0660"', '# quota is not set: no limit']) {
    t.match(text, new RegExp(`^${line} +# default$`, 'm'))
  }
  t.match(text, `[client]\ntoken-file = "/t"  # ${path}\ntrusted-uids = [ 990, 7 ]  # ${path}\n`)
  t.equal(printed(['--config', fileWith(text)]).replaceAll(/ +#.*$/gm, ''), text.replaceAll(/ +#.*$/gm, ''))
})

test('--check-config tells everything that is wrong with file, environment and flags, a line each', async t => {
  const path = fileWith(
    'jwks = "/nonexistent/keys"\nsokcet = "/a"\nsocket-group = "no-such-group"\n[client]\nsokcet = "/x"\n[users.ann]\nquota = "much"',
  )
  const run = spawnSync(process.execPath, [MAIN, '--check-config', '--config', path, '--max-file-size', 'x', '--nosuch'], {
    encoding: 'utf8', env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent', TALLY_LOG_LEVEL: 'loud', TALLY_STROE: '/a' },
  })
  t.equal(run.status, 2)
  t.strictSame(run.stderr.split('\n').slice(0, -1).sort(), [
    'tallyd: --max-file-size is a number of bytes such as 1000000, 500M or 10G, not "x"',
    `tallyd: ${path}: jwks: the keys in /nonexistent/keys cannot be used: there is no such file`,
    `tallyd: ${path}: socket-group: there is no group "no-such-group"`,
    `tallyd: ${path}: there is no setting "client.sokcet"; did you mean socket?`,
    `tallyd: ${path}: there is no setting "sokcet"; did you mean socket?`,
    `tallyd: ${path}: users.ann.quota is a number of bytes such as 1000000, 500M or 10G, not "much"`,
    'tallyd: TALLY_LOG_LEVEL is debug or info or warn or error, not "loud"',
    'tallyd: there is no flag --nosuch (tallyd --help lists them)',
    'tallyd: there is no variable TALLY_STROE; did you mean TALLY_STORE?',
  ])
})

const PRIVATE = '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v\n-----END PRIVATE KEY-----\n'
for (const [name, content, what] of [
  ['secret-file', 'short', 'a secret needs 32 bytes or more, this one has 5'],
  ['public-key', 'a-secret-that-nobody-may-read-in-a-log', 'it is no public key in PEM'],
  ['public-key', PRIVATE, 'it is a private key, and the daemon must not have it: give it the public one'],
  ['jwks', 'a-secret-that-nobody-may-read-in-a-log', 'it is not JSON'],
  ['jwks', '{}', 'it has no array "keys"'],
] as const) {
  test(`--check-config says where a ${name} was named that cannot be used, and why: ${what}`, async t => {
    const key = fileWith(content)
    const path = fileWith(`${name} = "${key}"`)
    const wrong = `the keys in ${key} cannot be used: ${what}`
    const check = (args: readonly string[], env: Record<string, string> = {}) => () => readConfig([...args, '--check-config'], env, '/nonexistent')
    const variable = `TALLY_${name.toUpperCase().replace('-', '_')}`
    t.throws(check(['--config', path]), { name: 'UsageError', message: `${path}: ${name}: ${wrong}` })
    t.throws(check([`--${name}`, key]), { name: 'UsageError', message: `--${name}: ${wrong}` })
    t.throws(check([], { [variable]: key }), { name: 'UsageError', message: `${variable}: ${wrong}` })
  })
}

test('a start says the same', async t => {
  const path = fileWith('secret-file = "/nonexistent/secret"')
  const run = spawnSync(process.execPath, [MAIN, '--config', path], { encoding: 'utf8', env: { PATH: '/bin', HOME: '/nonexistent' } })
  t.strictSame([run.status, run.stderr], [2, `tallyd: ${path}: secret-file: the keys in /nonexistent/secret cannot be used: there is no such file\n`])
})

test('--check-config looks whether the client\'s token is there', async t => {
  const check = (text: string) => {
    const path = fileWith(text)
    return [path, () => readConfig(['--config', path, '--check-config'], {}, '/nonexistent')] as const
  }
  const [absent, ofAbsent] = check('[client]\ntoken-file = "/nonexistent/token"')
  t.throws(ofAbsent, { name: 'UsageError', message: `${absent}: client.token-file: /nonexistent/token cannot be read: there is no such file` })
  const [secret, ofSecret] = check('[client]\nsecret-file = "/nonexistent/secret"')
  t.throws(ofSecret, { message: `${secret}: client.secret-file: /nonexistent/secret cannot be read: there is no such file` })
  const [, ofToBeMade] = check('[client]\nsecret-file = "/nonexistent/.config/tally/secret"')
  t.match(ofToBeMade(), { run: 'check-config' }, 'the first start makes it')
  const [, ofThere] = check(`[client]\ntoken-file = "${fileWith('a.b.c')}"`)
  t.match(ofThere(), { run: 'check-config' })
})

test('a file that may not be read says so', { skip: process.getuid?.() === 0 && 'root may read everything' }, async t => {
  const path = fileWith('')
  chmodSync(path, 0)
  t.throws(() => config(['--config', path]), { message: `--config: the configuration file ${path} cannot be read: permission denied` })
})

test('--check-config warns of limits that never hold, and why; it is right all the same', async t => {
  const path = fileWith([
    'quota = "10G"', 'quota-files = 5', 'limit-rate = "1M"', 'user-limit-rate = "2M"', 'user-transfers = 4',
    '[users.ann]', 'quota = "20G"', 'quota-files = 6', 'user-connections = 20000', 'user-limit-rate = "512K"', 'user-transfers = 4',
    '[users.bob]', 'quota = "9G"', 'user-transfers = 5',
  ].join('\n'))
  const run = spawnSync(process.execPath, [MAIN, '--check-config', '--config', path, '--user-transfers', '3'], { encoding: 'utf8', env: { PATH: '/bin', HOME: '/nonexistent' } })
  t.strictSame([run.status, run.stdout], [0, 'the configuration is right\n'])
  const lower = 'is lower, and of several limits the smallest holds'
  t.strictSame(run.stderr.split('\n').slice(0, -1), [
    `tallyd: warning: ${path}: user-limit-rate = 2M never holds: ${path}: limit-rate = 1M ${lower}`,
    `tallyd: warning: ${path}: users.ann.quota = 20G never holds: ${path}: quota = 10G ${lower}`,
    `tallyd: warning: ${path}: users.ann.quota-files = 6 never holds: ${path}: quota-files = 5 ${lower}`,
    `tallyd: warning: ${path}: users.ann.user-connections = 20000 never holds: the default of connections = 10000 ${lower}`,
    `tallyd: warning: ${path}: users.ann.user-transfers = 4 never holds: --user-transfers = 3 ${lower}`,
    `tallyd: warning: ${path}: users.bob.user-transfers = 5 never holds: --user-transfers = 3 ${lower}`,
  ])
})

test('few descriptors are warned of, as who is cut off for want of one is told nothing', async t => {
  const path = fileWith('')
  const check = (files: number) => spawnSync('bash', ['-c', `ulimit -n ${files}; exec "$0" "$@"`, process.execPath, MAIN, '--check-config', '--config', path], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent' } })
  t.match(check(200).stderr, /^tallyd: warning: only 200 files may be open at once \(ulimit -n\): each connection takes one, .*; let it be 1024 or more$/m)
  t.notMatch(check(1024).stderr, 'files may be open')
})

test('a first start that cannot make its secret says so', async t => {
  const started = spawnSync(process.execPath, [MAIN, '--socket', '/nonexistent/s'], { encoding: 'utf8', env: { PATH: '/bin', HOME: '/proc/nowhere' } })
  t.equal(started.status, 1)
  t.equal(started.stderr, 'tallyd: the secret /proc/nowhere/.config/tally/secret, with which users make their tokens, cannot be made: the file system lets nothing be made there\n')
})

test('--check-config warns of a socket and a secret that are open to everybody, also beside mistakes', async t => {
  const secret = fileWith('a-secret-of-at-least-32-bytes-for-hs256')
  chmodSync(secret, 0o644)
  const path = fileWith(`secret-file = "${secret}"\nsocket-mode = "0666"\nquota = "1G"\n[users.ann]\nquota = "2G"`)
  const check = (...args: string[]) => spawnSync(process.execPath, [MAIN, '--check-config', '--config', path, ...args], { encoding: 'utf8', env: { PATH: '/bin', HOME: '/nonexistent' } })
  const warnings = [
    `tallyd: warning: ${path}: users.ann.quota = 2G never holds: ${path}: quota = 1G is lower, and of several limits the smallest holds`,
    `tallyd: warning: ${path}: socket-mode = 0666 lets everybody write to the socket, and to such a one tally sends no token: 0660 with a socket-group lets that group connect`,
    `tallyd: warning: ${path}: secret-file = ${secret} has the mode 0644: whoever can read it can make tokens of any user (chmod 600, or 640 with a group of its own)`,
  ]
  const right = check()
  t.strictSame([right.status, right.stdout, right.stderr.split('\n')], [0, 'the configuration is right\n', [...warnings, '']])
  const wrong = check('--connections', 'x', '--user-transfers', 'many')
  t.equal(wrong.status, 2)
  t.strictSame(wrong.stderr.split('\n'), [
    'tallyd: --user-transfers is a number such as 100000, not "many"', 'tallyd: --connections is a number such as 100000, not "x"', ...warnings, '',
  ])
  chmodSync(secret, 0o640)
  t.strictSame(check('--socket-mode', '0660').stderr.split('\n'), [warnings[0], ''])
})

test('--check-config starts nothing: 0 where all is right, 2 and a sentence where not', async t => {
  const run = (args: readonly string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', env: { PATH: '/bin', HOME: '/nonexistent' } })
  const right = run(['--check-config'])
  t.strictSame([right.status, right.stdout, right.stderr], [0, 'the configuration is right\n', ''])
  const path = fileWith('log-levle = "info"')
  const wrong = run(['--check-config', '--config', path])
  t.strictSame([wrong.status, wrong.stdout], [2, ''])
  t.match(wrong.stderr, `${path}: there is no setting "log-levle"; did you mean log-level?`)
  const keyless = run(['--check-config', '--jwks', '/nonexistent/keys'])
  t.equal(keyless.status, 2)
  t.match(keyless.stderr, '/nonexistent/keys')
})
