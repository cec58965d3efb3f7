/**
 * The client's library: `connect`, then put, get, find, watch, tag and remove (docs/library.md). Reconnecting, resuming and asking again
 * happen inside; what happens is told through `onEvent`, and an `AbortSignal` ends each call. Failures are `TallyError` (the daemon's
 * word) or `ClientError` (ours).
 */
import { homedir } from 'node:os'
import { TallyError, secretPath, socketPath, userName } from '../protocol/index.ts'
import { checkOptions } from './known-options.ts'
import { Link } from './link.ts'
import type { ConnectOptions } from './options.ts'
import { Tally } from './tally.ts'
import { Final, TIMINGS_DEFAULT, withRetries } from './timings.ts'
import { type TokenSource, givenToken, mintedToken, tokenFromFile } from './token.ts'

export type { FileReport, FileState, FoundFile, Value, ValueMap } from '../protocol/index.ts'
export type { ByteStream } from './stream-source.ts'
export type { ClientEvent, OnEvent, UploadCounts } from './events.ts'
export type { DownloadResult } from './download.ts'
export type { FileId } from './file-id.ts'
export type { FileTarget } from './file-sink.ts'
export type { LocalNames } from './safe-name.ts'
export type { Operator } from './operator.ts'
export type { PutContent } from './content.ts'
export type { Timings } from './timings.ts'
export type { UploadResult } from './upload.ts'
export type {
  ByteRange, CallOptions, ConnectOptions, FileOfTransfer, FindOptions, FindQuery, GetAllOptions, GetAllResult, GetAllTarget, GetOptions,
  GetTarget, PutAllItem, PutAllOptions, PutAllResult, PutLabel, PutOptions, PutResult, TagChange, TallyEvent, WatchOptions,
} from './options.ts'
export type { Tally } from './tally.ts'
export { TallyError } from '../protocol/index.ts'
export { ClientError, type ClientErrorCode, type DaemonError, type DetailsByCode, isTallyError } from './errors.ts'
export { safeName } from './safe-name.ts'

/**
 * Opens a connection and logs in. Unless `retry` is set only a daemon that says `busy` is waited for; where none listens `connect-failed`
 * is thrown at once. Throws also `access-denied`, `untrusted-socket`, `no-token`, `token-invalid`, or the signal's reason.
 */
export async function connect(options: ConnectOptions = {}): Promise<Tally> {
  checkOptions('connect', options)
  const { retry = false, signal, onEvent } = options
  const timings = { ...TIMINGS_DEFAULT, ...options.timings }
  const link = new Link({
    path: options.socket ?? process.env['TALLY_SOCKET'] ?? socketPath(process.env, homedir()),
    token: tokenSource(options),
    timings,
    trustedUids: options.trustedUids,
    onEvent,
  })
  try {
    await withRetries(timings, signal, onEvent, async () => {
      await link.connection(signal).catch((error: unknown) => {
        throw retry || isBusy(error) ? error : new Final(error)
      })
    })
  } catch (error) {
    link.close()
    throw error
  }
  return new Tally(link, onEvent)
}

function tokenSource(options: ConnectOptions): TokenSource {
  const { token } = options
  if (typeof token === 'function') return async () => token()
  if (token !== undefined) return givenToken(token)
  if (options.tokenFile !== undefined) return tokenFromFile(options.tokenFile)
  const fromEnvironment = process.env['TALLY_TOKEN']
  if (options.secretFile === undefined && fromEnvironment !== undefined) return givenToken(fromEnvironment)
  const secretFile = options.secretFile ?? process.env['TALLY_SECRET_FILE'] ?? secretPath(process.env, homedir())
  return mintedToken(secretFile, userName(process.getuid?.() ?? 0))
}

function isBusy(error: unknown): boolean {
  return error instanceof TallyError && error.code === 'busy'
}
