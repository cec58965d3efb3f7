/**
 * Refuses options that a call does not have. TypeScript says so when it compiles; from JavaScript a misspelt `tag` would otherwise store a
 * file without tags, or find every file. The tables are held to the types by the compiler.
 */
import type { ConnectOptions, FindOptions, FindQuery, GetOptions, PutAllOptions, PutOptions, WatchOptions } from './options.ts'

type Names<Options> = Readonly<Record<keyof Options, true>>

const CALL = { signal: true, onEvent: true } as const
const PUT: Names<PutOptions> = {
  ...CALL, name: true, tags: true, mediaType: true, modifiedMs: true, expiresMs: true, meta: true, chunkSizeBytes: true, windowChunks: true,
  crc32: true, digest: true, digestFirst: true, fid: true,
}
const PUT_ALL: Names<PutAllOptions> = {
  ...CALL, tags: true, expiresMs: true, meta: true, chunkSizeBytes: true, windowChunks: true, crc32: true, digestFirst: true,
}
const GET: Names<GetOptions> = { ...CALL, offsetBytes: true, lengthBytes: true }
const FIND: Names<FindOptions> = { ...CALL, limit: true }
const WATCH: Names<WatchOptions> = { ...CALL, since: true }
const QUERY: Names<FindQuery> = { tags: true, anyTags: true, notTags: true, name: true, state: true }
const CONNECT: Names<ConnectOptions> = {
  ...CALL, socket: true, token: true, tokenFile: true, secretFile: true, trustedUids: true, retry: true, timings: true,
}

const NAMES = { connect: CONNECT, put: PUT, putAll: PUT_ALL, get: GET, getAll: CALL, find: FIND, watch: WATCH, query: QUERY } as const

/** Throws a `TypeError` that names the first option which this call does not have. */
export function checkOptions(call: keyof typeof NAMES, options: object): void {
  const names = NAMES[call]
  const unknown = Object.keys(options).find(name => !Object.hasOwn(names, name))
  if (unknown === undefined) return
  throw new TypeError(`${call} has no option ${JSON.stringify(unknown)}, only ${Object.keys(names).join(', ')}`)
}
