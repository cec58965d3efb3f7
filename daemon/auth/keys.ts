/**
 * The keys that tokens are checked with, read from the file that the operator named, and for each key the algorithms that it allows.
 * Whatever a token's header says about its own key, other than `kid`, is never looked at (protocol, section 5).
 */
import { createHash, createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import type { Algorithm } from 'jsonwebtoken'
import { readNamedFile } from '../named-file.ts'

/** Which file the keys are in, and how to read it. */
export interface KeySource {
  readonly kind: 'secret' | 'public-key' | 'jwks'
  readonly path: string
}

export interface TokenKey {
  /** The same for the same key, whenever it is read: tells whether a key is still there. */
  readonly id: string
  readonly key: KeyObject
  readonly algorithms: readonly Algorithm[]
}

export interface Keys {
  /** The key for a token that bears this `kid` or none; undefined where there is none for it. */
  find(kid: string | undefined): TokenKey | undefined
  /** The ids of all keys. */
  readonly ids: ReadonlySet<string>
}

export const SECRET_BYTES_MIN = 32
const RSA_BITS_MIN = 2048
const CURVE_ALGORITHMS: Readonly<Record<string, Algorithm>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }
const RSA_ALGORITHMS: readonly Algorithm[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']

/** Reads the keys. Throws an Error that names the file where there is none in it that is fit for use. */
export function loadKeys(source: KeySource): Keys {
  try {
    const bytes = readNamedFile(source.path)
    if (source.kind === 'jwks') return fromJwks(bytes.toString())
    const key = source.kind === 'secret' ? secretKey(bytes) : pemKey(bytes.toString())
    return { find: () => key, ids: new Set([key.id]) } // one key for all: a kid that the issuer adds picks nothing
  } catch (cause) {
    throw new Error(`the keys in ${source.path} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** A secret is its file's bytes without one trailing newline. */
export function secretBytes(file: Uint8Array): Uint8Array {
  return file.at(-1) === 0x0a ? file.subarray(0, -1) : file
}

function secretKey(file: Uint8Array): TokenKey {
  const secret = secretBytes(file)
  if (secret.length < SECRET_BYTES_MIN) throw new Error(`a secret needs ${SECRET_BYTES_MIN} bytes or more, this one has ${secret.length}`)
  return { id: fingerprint(secret), key: createSecretKey(secret), algorithms: ['HS256', 'HS384', 'HS512'] }
}

function pemKey(text: string): TokenKey {
  if (text.includes('PRIVATE KEY')) throw new Error('it is a private key, and the daemon must not have it: give it the public one')
  const key = told('it is no public key in PEM', () => createPublicKey(text))
  return publicTokenKey(key, algorithmsOf(key))
}

/** Keys by `kid`; without one only where there is no choice. Keys of kinds that we do not know are ignored (RFC 7517, 5). */
function fromJwks(text: string): Keys {
  const document = told('it is not JSON', (): unknown => JSON.parse(text))
  const entries: unknown = typeof document === 'object' && document !== null && 'keys' in document ? document.keys : undefined
  if (!Array.isArray(entries)) throw new Error('it has no array "keys"')
  const byKid = new Map<string, TokenKey>()
  const all: TokenKey[] = []
  for (const entry of entries as readonly unknown[]) {
    const key = jwkKey(entry)
    if (key === undefined) continue
    all.push(key)
    const { kid } = entry as JsonWebKey
    if (typeof kid !== 'string') continue
    if (byKid.has(kid)) throw new Error(`two keys have the kid ${JSON.stringify(kid)}`)
    byKid.set(kid, key)
  }
  if (all.length === 0) throw new Error('no RSA or EC key for signatures is in it')
  return {
    find: kid => {
      if (kid !== undefined) return byKid.get(kid)
      return all.length === 1 ? all[0] : undefined
    },
    ids: new Set(all.map(({ id }) => id)),
  }
}

function jwkKey(entry: unknown): TokenKey | undefined {
  if (typeof entry !== 'object' || entry === null) throw new Error('a key in it is no object')
  const jwk = entry as JsonWebKey
  if (jwk.kty !== 'RSA' && jwk.kty !== 'EC') return undefined
  if (jwk['use'] !== undefined && jwk['use'] !== 'sig') return undefined
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  const algorithms = algorithmsOf(key).filter(algorithm => jwk['alg'] === undefined || jwk['alg'] === algorithm)
  return algorithms.length === 0 ? undefined : publicTokenKey(key, algorithms)
}

/** In our words: a parser's own may quote the file, which may be a secret in the wrong place. */
function told<T>(mistake: string, parse: () => T): T {
  try {
    return parse()
  } catch {
    throw new Error(mistake)
  }
}

function publicTokenKey(key: KeyObject, algorithms: readonly Algorithm[]): TokenKey {
  return { id: fingerprint(key.export({ type: 'spki', format: 'der' })), key, algorithms }
}

function fingerprint(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function algorithmsOf(key: KeyObject): readonly Algorithm[] {
  const details = key.asymmetricKeyDetails
  if (key.asymmetricKeyType === 'rsa' || key.asymmetricKeyType === 'rsa-pss') {
    if ((details?.modulusLength ?? 0) < RSA_BITS_MIN) throw new Error(`an RSA key needs ${RSA_BITS_MIN} bits or more`)
    return key.asymmetricKeyType === 'rsa' ? RSA_ALGORITHMS : RSA_ALGORITHMS.filter(algorithm => algorithm.startsWith('PS'))
  }
  const algorithm = CURVE_ALGORITHMS[details?.namedCurve ?? '']
  if (algorithm === undefined) throw new Error('only RSA keys and the curves P-256, P-384 and P-521 are supported')
  return [algorithm]
}
