/** Tokens (protocol, section 5): made by hand with node:crypto, so that the library is checked against another maker. */
import { type KeyObject, createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { type KeySource, loadKeys } from '../../../daemon/auth/keys.ts'
import { checkScope } from '../../../daemon/auth/rights.ts'
import { type TokenRules, verifyToken } from '../../../daemon/auth/token.ts'
import { MESSAGE_TYPE } from '../../../protocol/messages.ts'

const directory = mkdtempSync(join(tmpdir(), 'tally-token-'))
const SECRET = 'a-secret-of-at-least-32-bytes-for-hs256'
const NOW_MS = 1_800_000_000_000
const NOW_S = NOW_MS / 1000
let files = 0

function keysIn(kind: KeySource['kind'], content: string | Uint8Array): TokenRules {
  const path = join(directory, `key-${files++}`)
  writeFileSync(path, content)
  return { keys: loadKeys({ kind, path }) }
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function hmacToken(claims: unknown, header: object = {}, secret = SECRET, hash = 'sha256'): string {
  const signed = `${part({ alg: 'HS256', typ: 'JWT', ...header })}.${part(claims)}`
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}

function rsaToken(key: KeyObject, header: object, claims: unknown = { sub: 'ada' }): string {
  const signed = `${part({ alg: 'RS256', ...header })}.${part(claims)}`
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
}

function ecToken(key: KeyObject, header: object): string {
  const signed = `${part({ alg: 'ES256', ...header })}.${part({ sub: 'ada' })}`
  return `${signed}.${sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

const bySecret = keysIn('secret', `${SECRET}\n`)
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString()
const userOf = (token: string, rules: TokenRules = bySecret): string => verifyToken(token, rules, NOW_MS).user
const INVALID = { code: 'token-invalid' }

test('tokens of an independent encoder are taken', async t => {
  t.equal(userOf('eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJzdWIiOiAiYWRhIiwgImV4cCI6IDQxMDI0NDQ4MDB9.CPEvFCB_NEEjUDlX90uHuwvmHQ8AMXprxqMRc5y3AcI'), 'ada')
  t.equal(userOf('eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJ1aWQiOiAxMDAyLCAibG9naW4iOiAia2FyY2hudSJ9.dACc5-tteVSqH4SpiVE0qytEfcVPbPYJYfsScAOva7U'), '1002')
})

for (const [hash, alg] of [['sha256', 'HS256'], ['sha384', 'HS384'], ['sha512', 'HS512']] as const) {
  test(`a secret takes ${alg}`, async t => {
    t.equal(userOf(hmacToken({ sub: 'ada' }, { alg }, SECRET, hash)), 'ada')
  })
}

test('a secret is its file\'s bytes without one trailing newline', async t => {
  t.equal(userOf(hmacToken({ sub: 'ada' }), keysIn('secret', SECRET)), 'ada')
  t.throws(() => userOf(hmacToken({ sub: 'ada' }), keysIn('secret', `${SECRET}\n\n`)), INVALID)
  t.equal(userOf(hmacToken({ sub: 'ada' }, {}, `${SECRET}\n`), keysIn('secret', `${SECRET}\n\n`)), 'ada')
})

for (const [why, token] of [
  ['nothing', ''],
  ['no JWT', 'abc'],
  ['two parts', 'e30.e30'],
  ['four parts', `${hmacToken({ sub: 'ada' })}.e30`],
  ['another secret', hmacToken({ sub: 'ada' }, {}, 'another-secret-of-at-least-32-bytes')],
  ['changed claims', hmacToken({ sub: 'ada' }).replace(/\.[^.]*\./, `.${part({ sub: 'eve' })}.`)],
  ['alg none and no signature', `${part({ alg: 'none' })}.${part({ sub: 'ada' })}.`],
  ['alg none with a signature', hmacToken({ sub: 'ada' }, { alg: 'none' })],
  ['no alg', hmacToken({ sub: 'ada' }, { alg: undefined })],
  ['an alg that is not the signature\'s', hmacToken({ sub: 'ada' }, { alg: 'HS512' })],
  ['a public key\'s alg', hmacToken({ sub: 'ada' }, { alg: 'RS256' })],
  ['an extension that must be understood', hmacToken({ sub: 'ada' }, { crit: ['b64'], b64: false })],
  ['a kid that is no string', hmacToken({ sub: 'ada' }, { kid: 7 })],
  ['claims that are a string', hmacToken('ada')],
  ['claims that are an array', hmacToken(['ada'])],
  ['claims that are null', hmacToken(null)],
  ['nobody', hmacToken({})],
  ['an empty sub', hmacToken({ sub: '' })],
  ['an empty sub beside a uid', hmacToken({ sub: '', uid: 7 })],
  ['a null sub beside a uid', hmacToken({ sub: null, uid: 7 })],
  ['a numeric sub', hmacToken({ sub: 7 })],
  ['a sub with a newline', hmacToken({ sub: 'a\nb' })],
  ['a sub with a C1 control', hmacToken({ sub: 'a\u0085b' })],
  ['a sub with half a surrogate', hmacToken({ sub: 'a\ud800' })],
  ['a sub of 257 bytes', hmacToken({ sub: 'é'.repeat(128) + 'a' })],
  ['a negative uid', hmacToken({ uid: -1, login: 'a' })],
  ['a uid that is text', hmacToken({ uid: '7', login: 'a' })],
  ['a broken uid', hmacToken({ uid: 7.5, login: 'a' })],
  ['a uid over 2^53', hmacToken({ uid: 2 ** 53, login: 'a' })],
  ['a scope that is a list', hmacToken({ sub: 'ada', scope: ['put'] })],
  ['a negative quota', hmacToken({ sub: 'ada', quota: -1 })],
  ['a quota that is text', hmacToken({ sub: 'ada', quota: '1' })],
  ['an exp that is text', hmacToken({ sub: 'ada', exp: '4102444800' })],
  ['an nbf that is text', hmacToken({ sub: 'ada', nbf: '0' })],
  ['20,000 characters', hmacToken({ sub: 'ada', x: 'x'.repeat(20_000) })],
] as const) {
  test(`refuses ${why}`, async t => {
    t.throws(() => userOf(token), INVALID)
  })
}

test('a user has up to 256 bytes', async t => {
  t.equal(userOf(hmacToken({ sub: 'é'.repeat(128) })), 'é'.repeat(128))
})

test('sub comes before uid; 0 is a user', async t => {
  t.equal(userOf(hmacToken({ sub: 'ada', uid: 7 })), 'ada')
  t.equal(userOf(hmacToken({ uid: 0, login: 'root' })), '0')
})

test('another claim can name the user', async t => {
  const rules = { ...bySecret, userClaim: 'login' }
  t.equal(userOf(hmacToken({ sub: 'ada', login: 'karchnu' }), rules), 'karchnu')
  t.equal(userOf(hmacToken({ sub: 'ada', login: 12 }), rules), '12')
  t.throws(() => userOf(hmacToken({ sub: 'ada' }), rules), INVALID)
  t.throws(() => userOf(hmacToken({ sub: 'ada' }), { ...bySecret, userClaim: 'constructor' }), INVALID)
})

test('exp and nbf hold with five seconds of tolerance', async t => {
  const at = (claims: object, nowMs: number) => () => verifyToken(hmacToken({ sub: 'ada', ...claims }), bySecret, nowMs)
  t.equal(at({ exp: NOW_S }, NOW_MS + 4999)().expiresMs, NOW_MS)
  t.throws(at({ exp: NOW_S }, NOW_MS + 5000), { code: 'token-expired' })
  t.equal(at({ nbf: NOW_S }, NOW_MS - 5000)().user, 'ada')
  t.throws(at({ nbf: NOW_S }, NOW_MS - 5001), INVALID)
})

test('an expired token with a wrong signature is invalid, not expired', async t => {
  t.throws(() => userOf(hmacToken({ sub: 'ada', exp: 1 }, {}, 'another-secret-of-at-least-32-bytes')), INVALID)
})

test('exp may be absent unless it is required', async t => {
  t.equal(verifyToken(hmacToken({ sub: 'ada' }), bySecret, NOW_MS).expiresMs, undefined)
  t.throws(() => userOf(hmacToken({ sub: 'ada' }), { ...bySecret, requireExp: true }), INVALID)
  t.equal(userOf(hmacToken({ sub: 'ada', exp: NOW_S + 1 }), { ...bySecret, requireExp: true }), 'ada')
})

test('issuer and audience hold when they are configured', async t => {
  const rules = { ...bySecret, issuer: 'us', audience: 'tally' }
  t.equal(userOf(hmacToken({ sub: 'ada', iss: 'us', aud: 'tally' }), rules), 'ada')
  t.equal(userOf(hmacToken({ sub: 'ada', iss: 'us', aud: ['x', 'tally'] }), rules), 'ada')
  for (const claims of [{}, { iss: 'us' }, { aud: 'tally' }, { iss: 'them', aud: 'tally' }, { iss: 'us', aud: 'x' }, { iss: 'us', aud: [] }]) {
    t.throws(() => userOf(hmacToken({ sub: 'ada', ...claims }), rules), INVALID)
  }
})

test('scope and quota', async t => {
  const all = verifyToken(hmacToken({ sub: 'ada' }), bySecret, NOW_MS)
  t.strictSame([...all.scope].sort(), ['find', 'get', 'put', 'remove', 'tag', 'watch'])
  const some = verifyToken(hmacToken({ sub: 'ada', scope: 'put openid  admin', quota: 0 }), bySecret, NOW_MS)
  t.strictSame([...some.scope].sort(), ['admin', 'put'])
  t.equal(some.quotaBytes, 0)
  t.equal(verifyToken(hmacToken({ sub: 'ada', scope: '' }), bySecret, NOW_MS).scope.size, 0)
})

test('every message needs its word of the scope, and RESPONSE and a log-in none', async t => {
  const needs = [['put', MESSAGE_TYPE.TRANSFER], ['find', MESSAGE_TYPE.FIND], ['get', MESSAGE_TYPE.FETCH], ['tag', MESSAGE_TYPE.TAG],
    ['remove', MESSAGE_TYPE.REMOVE], ['watch', MESSAGE_TYPE.WATCH], ['admin', 16], ['admin', 31]] as const
  for (const [scope, type] of needs) {
    t.throws(() => checkScope({ scope: new Set() }, type), { code: 'forbidden', details: { scope } })
    checkScope({ scope: new Set([scope]) }, type)
  }
  checkScope({ scope: new Set() }, MESSAGE_TYPE.RESPONSE)
  checkScope({ scope: new Set() }, MESSAGE_TYPE.AUTHENTICATION)
})

test('a public key takes its own kind of signature', async t => {
  const rules = keysIn('public-key', pem(rsa.publicKey))
  t.equal(userOf(rsaToken(rsa.privateKey, {}), rules), 'ada')
  t.equal(userOf(rsaToken(rsa.privateKey, { kid: 'any' }), rules), 'ada')
  t.throws(() => userOf(rsaToken(otherRsa.privateKey, {}), rules), INVALID)
  t.throws(() => userOf(rsaToken(rsa.privateKey, { alg: 'none' }), rules), INVALID)
  t.equal(userOf(ecToken(ec.privateKey, {}), keysIn('public-key', pem(ec.publicKey))), 'ada')
})

test('a public key is never taken as a secret', async t => {
  const text = pem(rsa.publicKey)
  const rules = keysIn('public-key', text)
  for (const secret of [text, text.trim()]) t.throws(() => userOf(hmacToken({ sub: 'eve' }, {}, secret), rules), INVALID)
})

test('a key that the token brings along is ignored', async t => {
  const jwk = otherRsa.publicKey.export({ format: 'jwk' })
  const rules = keysIn('public-key', pem(rsa.publicKey))
  for (const header of [{ jwk }, { jku: 'file:///x' }, { x5u: 'file:///x' }]) {
    t.throws(() => userOf(rsaToken(otherRsa.privateKey, header), rules), INVALID)
    t.equal(userOf(rsaToken(rsa.privateKey, header), rules), 'ada')
  }
})

test('a key set goes by kid', async t => {
  const jwk = (key: KeyObject, more: object): object => ({ ...key.export({ format: 'jwk' }), ...more })
  const rules = keysIn('jwks', JSON.stringify({ keys: [
    jwk(rsa.publicKey, { kid: 'one', use: 'sig' }), jwk(ec.publicKey, { kid: 'two', alg: 'ES256' }),
    jwk(otherRsa.publicKey, { kid: 'sealing', use: 'enc' }), { kty: 'oct', kid: 'shared', k: 'AAAA' }, { kty: 'new' },
  ] }))
  t.equal(userOf(rsaToken(rsa.privateKey, { kid: 'one' }), rules), 'ada')
  t.equal(userOf(ecToken(ec.privateKey, { kid: 'two' }), rules), 'ada')
  t.throws(() => userOf(rsaToken(rsa.privateKey, { kid: 'two' }), rules), INVALID)
  t.throws(() => userOf(rsaToken(rsa.privateKey, { kid: 'three' }), rules), INVALID)
  t.throws(() => userOf(rsaToken(rsa.privateKey, {}), rules), INVALID, 'two keys and no kid')
  t.throws(() => userOf(rsaToken(otherRsa.privateKey, { kid: 'sealing' }), rules), INVALID)
  t.throws(() => userOf(hmacToken({ sub: 'eve' }, { kid: 'shared' }, '\0\0\0'), rules), INVALID)
  const single = keysIn('jwks', JSON.stringify({ keys: [jwk(rsa.publicKey, { kid: 'one' })] }))
  t.equal(userOf(rsaToken(rsa.privateKey, {}), single), 'ada')
  t.throws(() => userOf(rsaToken(rsa.privateKey, { kid: 'three' }), single), INVALID)
})

test('keys that are not fit for use stop the start, and the message names the file', async t => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
  const jwk = rsa.publicKey.export({ format: 'jwk' })
  const bad: readonly (readonly [KeySource['kind'], string])[] = [
    ['secret', 'x'.repeat(31)], ['secret', `${'x'.repeat(31)}\n`], ['secret', ''],
    ['public-key', 'nonsense'], ['public-key', pem(weak)], ['public-key', rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
    ['public-key', pem(generateKeyPairSync('ed25519').publicKey)],
    ['jwks', 'nonsense'], ['jwks', '{}'], ['jwks', '{"keys":[]}'], ['jwks', '{"keys":[null]}'], ['jwks', '{"keys":[{"kty":"RSA"}]}'],
    ['jwks', JSON.stringify({ keys: [{ ...jwk, kid: 'a' }, { ...jwk, kid: 'a' }] })],
    ['jwks', JSON.stringify({ keys: [{ ...jwk, alg: 'HS256' }] })],
  ]
  for (const [kind, content] of bad) t.throws(() => keysIn(kind, content), { message: /key-\d+/ }, `${kind} ${content.slice(0, 40)}`)
  t.throws(() => loadKeys({ kind: 'secret', path: join(directory, 'absent') }), { message: /absent/ })
})
