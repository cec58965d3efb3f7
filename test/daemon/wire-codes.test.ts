/**
 * Every code of the protocol's table, provoked through a real socket: with the details that docs/protocol.md names, and with the connection
 * closed after it or not. A new code does not compile without a way to it here.
 */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { realFileSystem, type FileSystem } from '../../daemon/storage/local/file-system.ts'
import { openLocalStore } from '../../daemon/storage/local/index.ts'
import type { Store } from '../../daemon/storage/storage.ts'
import { ERROR_CODES, type ErrorCode } from '../../protocol/errors.ts'
import { type InnerDaemon, startInner } from '../support/inner-daemon.ts'
import type { Answer, RawClient } from '../support/raw-client.ts'
import { type Fields, numberedChunk, TYPE } from '../support/wire.ts'
import { freshDirectory, systemError } from '../storage/support.ts'

const FID = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'
const OTHER_DIGEST = `sha256:${'0'.repeat(64)}`

interface Provocation {
  /** Leads to the refusal. */
  readonly run: (t: Test, inner: InnerDaemon) => Promise<Answer>
  /** What its details have. */
  readonly details: Fields
  /** What the daemon of this one is like. */
  readonly daemon?: (t: Test) => Promise<Parameters<typeof startInner>[1]>
}

const PROVOCATIONS: Readonly<Record<ErrorCode, Provocation>> = {
  'malformed': {
    run: async (_t, { client }) => (await client()).request(TYPE.fetch, { fid: FID }),
    details: { field: 'file' },
  },
  'message-too-large': {
    run: async (_t, { client }) => (await client()).next(Buffer.from('02ffffffff03', 'hex')),
    details: { limit: 1_900_000 },
  },
  'unsupported-type': {
    run: async (_t, { client }) => (await client()).request(15, {}),
    details: { type: 15 },
  },
  'unauthenticated': {
    run: async (_t, { connect }) => (await connect()).request(TYPE.find, {}),
    details: {},
  },
  'token-invalid': {
    run: async (_t, { connect, token }) => (await connect()).authenticate(`${token()}x`),
    details: {},
  },
  'token-expired': {
    run: async (_t, { connect, token, clock }) => {
      const exp = Math.floor(clock.nowMs / 1000) - 6
      return (await connect()).authenticate(token({ sub: 'ada', exp }))
    },
    details: {},
  },
  'forbidden': {
    run: async (_t, { client }) => (await client({ sub: 'ada', scope: 'put' })).request(TYPE.remove, { fid: FID }),
    details: { scope: 'remove' },
  },
  'name-invalid': {
    run: (_t, inner) => announce(inner, { files: [{ name: '', size: 1 }] }),
    details: { field: 'files[0].name', limit: 1024 },
  },
  'tag-invalid': {
    run: (_t, inner) => announce(inner, { tags: ['x'.repeat(129)] }),
    details: { limit: 128 },
  },
  'too-many-files': {
    run: (_t, inner) => announce(inner, { files: Array.from({ length: 4097 }, () => ({ name: 'a', size: 0 })) }),
    details: { field: 'files', limit: 4096 },
  },
  'file-too-big': {
    daemon: async () => ({ limits: { fileBytesMax: 1000 } }),
    run: (_t, inner) => announce(inner, { files: [{ name: 'a', size: 1001 }] }),
    details: { limit: 1000 },
  },
  'quota-exceeded': {
    run: async (_t, { connect, token }) => {
      const client = await connect()
      await client.authenticate(token({ sub: 'ada', quota: 1000 }), { files: [{ name: 'a', size: 600 }] })
      return client.authenticate(token({ sub: 'ada', quota: 1000 }), { files: [{ name: 'b', size: 401 }] })
    },
    details: { unit: 'bytes', limit: 1000, used: 600 },
  },
  'storage-full': {
    daemon: t => onDisk(t, { write: async () => fail('ENOSPC'), writeNow: () => fail('ENOSPC') }),
    run: (_t, inner) => putOne(inner),
    details: {},
  },
  'storage-failed': {
    daemon: t => onDisk(t, { write: async () => fail('EIO'), writeNow: () => fail('EIO') }),
    run: (_t, inner) => putOne(inner),
    details: {},
  },
  'conflict': {
    run: async (_t, inner) => {
      await announce(inner, { files: [{ name: 'a', size: 1 }] })
      const client = await inner.client()
      await client.request(TYPE.remove, { fid: FID })
      return client.authenticate(inner.token(), { fid: FID, files: [{ name: 'a', size: 1 }] })
    },
    details: { state: 'gone' },
  },
  'unknown-fid': {
    run: (_t, inner) => announce(inner, { files: [] }),
    details: {},
  },
  'not-found': {
    run: async (_t, { client }) => (await client()).request(TYPE.tag, { fid: FID }),
    details: {},
  },
  'chunk-unknown': {
    run: async (_t, { client }) => (await client()).sendChunk(numberedChunk(FID, 0, 0), Buffer.alloc(1)),
    details: {},
  },
  'chunk-length': {
    run: (_t, inner) => putOne(inner, { bytes: 999 }),
    details: { expected: 1000 },
  },
  'crc-mismatch': {
    run: (_t, inner) => putOne(inner, { fields: { crc32: 1 } }),
    details: {},
  },
  'digest-mismatch': {
    run: (_t, inner) => putOne(inner, { file: { digest: OTHER_DIGEST } }),
    details: { expected: OTHER_DIGEST, actual: 'sha256:541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53' },
  },
  'content-damaged': {
    daemon: t => onDisk(t, { openForReading: () => Promise.reject(systemError('ENOENT', 'open')) }),
    run: async (_t, inner) => {
      // Larger than what is read without being opened for it.
      const size = 20_000
      const client = await inner.connect()
      await client.authenticate(inner.token(), { fid: FID, files: [{ name: 'a', size }], 'chunk-size': size })
      await client.sendChunk(numberedChunk(FID, 0, 0), Buffer.alloc(size))
      return client.request(TYPE.fetch, { fid: FID, file: 0 })
    },
    details: { file: 0 },
  },
  'busy': {
    run: async (_t, { client }) => {
      const ada = await client()
      for (let i = 0; i < 16; i++) await ada.request(TYPE.watch, {})
      return ada.request(TYPE.watch, {})
    },
    details: { limit: 16, 'retry-after': 100 },
  },
  'shutting-down': {
    run: async (_t, { client, daemon }) => {
      const ada = await client()
      await Promise.all([daemon.stop(), ada.ended])
      return ada.strays.at(-1) as Answer
    },
    details: {},
  },
  'internal': {
    run: async (_t, { client, store }) => {
      store.catalog.find = async () => { throw new TypeError('a bug, made by a test') }
      return (await client()).request(TYPE.find, {})
    },
    details: {},
  },
}

for (const [code, { run, details, daemon }] of Object.entries(PROVOCATIONS) as [ErrorCode, Provocation][]) {
  t.test(`${code} is met at a socket`, async t => {
    const inner = await startInner(t, await daemon?.(t))
    const answer = await run(t, inner)
    t.match(answer, { response: 'Error', code, ...details })
    t.type(answer.reason, 'string')
    t.equal(answer.fatal === true, ERROR_CODES[code].fatal)
    if (code === 'shutting-down') return
    const other = await inner.client()
    t.equal((await other.request(TYPE.tag, { fid: randomUUID() })).code, 'not-found', 'others are served')
  })
}

function fail(code: string): never {
  throw systemError(code, 'write')
}

/** A daemon over a local store whose files misbehave. */
async function onDisk(t: Test, faults: Partial<FileSystem>): Promise<{ store: Store }> {
  const fileSystem = { ...realFileSystem, ...faults }
  return { store: await openLocalStore({ path: freshDirectory(t), durability: 'process', faults: { fileSystem } }) }
}

async function announce({ connect, token }: InnerDaemon, fields: Fields): Promise<Answer> {
  return (await connect()).authenticate(token(), { fid: FID, ...fields })
}

/** Sends the one chunk of a file of 1000 bytes. */
async function putOne(inner: InnerDaemon, told: { bytes?: number; file?: Fields; fields?: Fields } = {}): Promise<Answer> {
  const { bytes = 1000, file = {}, fields = {} } = told
  const client: RawClient = await inner.connect()
  await client.authenticate(inner.token(), { fid: FID, files: [{ name: 'a', size: 1000, ...file }] })
  return client.sendChunk(numberedChunk(FID, 0, 0), Buffer.alloc(bytes), fields)
}
