/**
 * What `tally doctor` looks at, one function for each thing. A check reads and asks, and changes nothing; what it cannot see, such as
 * another user's store where our token may not ask for it, it leaves out.
 */
import { constants } from 'node:fs'
import { access, readFile, stat, statfs } from 'node:fs/promises'
import { homedir } from 'node:os'
import { TallyError, type ValueMap, storePath } from '../../protocol/index.ts'
import { ClientError } from '../errors.ts'
import { connect } from '../index.ts'
import { checkSocket } from '../socket-trust.ts'
import type { Arguments } from './arguments.ts'
import { errorValue, reasonOf } from './exit.ts'
import { roomText } from './room-text.ts'
import { type Settings, type TokenSetting, settingsOf, tokenSource } from './settings.ts'
import { ageText } from './text.ts'

/** Who asks what is wrong does not want to wait for it to pass. */
const IMPATIENT = { retryForMs: 2_000 }

export interface Finding {
  readonly check: string
  readonly level: 'ok' | 'warn' | 'fail'
  readonly found: string
  /** What to do about it; where all is well there is none. */
  readonly remedy?: string
  /** What the exit code follows from, if it is not just 1. */
  readonly error?: unknown
}

const NODE_MIN = [22, 13] as const
const OPEN_FILES_MIN = 1024
const FREE_BYTES_MIN = 1024 ** 3
const OTHERS = 0o077
/** Tokens hold with this tolerance (protocol, 5). */
const CLOCK_TOLERANCE_S = 5
const UNTRUSTED = 'let it and its directory belong to you or root, writable by nobody else (chmod o-w); ' +
  'whom else you trust is trusted-uids in [client] of config.toml'
const ALL_TAKEN = 'end what is connected (tally watch, an app), or let the operator raise the setting that is named in brackets'
const START_IT = 'start it: tallyd (or name its socket: --socket, TALLY_SOCKET)'

export async function* findings(given: Arguments, signal: AbortSignal): AsyncGenerator<Finding, void, void> {
  const settings = settingsOf(given, process.env, homedir())
  yield nodeFinding(process.versions.node)
  const socket = await socketFinding(settings)
  yield socket
  const token = await tokenFinding(settings.token, Date.now())
  yield token
  let served: ValueMap | undefined
  if (socket.level !== 'fail' && token.level !== 'fail') {
    const daemon = await daemonFinding(settings, signal)
    yield daemon
    // Whoever may ask as an operator is answered also while all connections are taken.
    if (daemon.level === 'ok' || daemon.remedy === ALL_TAKEN) served = await servedStore(settings, signal)
  }
  yield* await storeFindings(storePath(process.env, homedir()), served)
  yield* await limitFindings()
}

export function nodeFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return { check: 'node', level: 'ok', found: version }
  return { check: 'node', level: 'fail', found: version, remedy: `tally needs Node ${NODE_MIN.join('.')} or newer` }
}

async function socketFinding({ socket: { value, by }, trustedUids }: Settings): Promise<Finding> {
  const found = `${value} (by ${by})`
  try {
    await checkSocket(value, trustedUids)
    await access(value, constants.W_OK)
    return { check: 'socket', level: 'ok', found }
  } catch (error) {
    const code = errorValue(error).code
    const remedy = code === 'untrusted-socket' ? UNTRUSTED
      : code === 'connect-failed' ? START_IT : 'ask whoever runs tallyd to let your group use the socket and its directory'
    return { check: 'socket', level: 'fail', found: `${found}: ${reasonOf(error)}`, remedy, error }
  }
}

/** A token is looked into, but not verified: that is the daemon's part. */
export async function tokenFinding(setting: TokenSetting, nowMs: number): Promise<Finding> {
  const { kind, value, by } = setting
  const about = kind === 'token' ? `given (by ${by})` : kind === 'token-file' ? `${value} (by ${by})` : `minted with ${value} (by ${by})`
  const remedy = kind === 'secret-file' ? 'start tallyd once as this user, or get a token: tally token --user U, --token-file FILE'
    : 'get a new one: tally token --user U'
  try {
    const claims = claimsOf(await tokenSource(setting)())
    const seconds = nowMs / 1000
    const { sub, exp, nbf } = claims
    if (typeof exp === 'number' && exp + CLOCK_TOLERANCE_S < seconds) {
      const found = `${about}: it expired ${ageText(1000 * (seconds - exp))} ago by this machine's clock, ${new Date(nowMs).toISOString()}`
      return { check: 'token', level: 'fail', found, remedy, error: new TallyError('token-expired', found) }
    }
    if (typeof nbf === 'number' && nbf - CLOCK_TOLERANCE_S > seconds) {
      const found = `${about}: it begins to hold in ${ageText(1000 * (nbf - seconds))} by this machine's clock, ${new Date(nowMs).toISOString()}`
      return { check: 'token', level: 'fail', found, remedy: 'set the clock, or wait', error: new TallyError('token-invalid', found) }
    }
    const mode = kind === 'token' ? 0 : (await stat(value)).mode
    if ((mode & OTHERS) !== 0) return { check: 'token', level: 'warn', found: `${about}: others may read it`, remedy: `chmod 600 ${value}` }
    const until = kind === 'secret-file' || typeof exp !== 'number' ? '' : `, for ${ageText(1000 * (exp - seconds))} more`
    return { check: 'token', level: 'ok', found: `${about}${typeof sub === 'string' ? `, user ${sub}` : ''}${until}` }
  } catch (error) {
    return { check: 'token', level: 'fail', found: `${about}: ${reasonOf(error)}`, remedy, error }
  }
}

async function daemonFinding({ socket, token, trustedUids }: Settings, signal: AbortSignal): Promise<Finding> {
  const beganMs = performance.now()
  try {
    await using tally = await connect({ socket: socket.value, token: tokenSource(token), trustedUids, signal, timings: IMPATIENT })
    const user = tally.user
    return { check: 'daemon', level: 'ok', found: `knows us as the user ${user}, answered after ${Math.ceil(performance.now() - beganMs)} ms` }
  } catch (error) {
    signal.throwIfAborted()
    const refused = error instanceof TallyError && error.code.startsWith('token')
    const silent = error instanceof ClientError && error.code === 'connect-failed'
    const remedy = refused ? 'the token must be made with this daemon\'s own secret: --secret-file as tallyd has it, or another token'
      : silent ? START_IT
      : error instanceof ClientError && error.code === 'gave-up' ? ALL_TAKEN
      : 'look into what tallyd logged'
    return { check: 'daemon', level: 'fail', found: reasonOf(error), remedy, error }
  }
}

/** What the daemon says of its store: its place, its room, why it takes nothing. Undefined where our token may not ask. */
async function servedStore({ socket, token, trustedUids }: Settings, signal: AbortSignal): Promise<ValueMap | undefined> {
  try {
    await using tally = await connect({ socket: socket.value, token: tokenSource(token, ['admin']), trustedUids, signal, timings: IMPATIENT })
    const store = await tally.operator.store({ signal })
    return store['path'] === undefined ? undefined : store
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

/**
 * Of the store that is `served`, as the daemon said; else of where the same user's daemon keeps its store by default, if there is one. What
 * the mode of a directory is can be seen of our own only.
 */
export async function storeFindings(defaultPath: string, served?: ValueMap): Promise<readonly Finding[]> {
  const path = served === undefined ? defaultPath : String(served['path'])
  const found = await stat(path).catch(() => undefined)
  const isOurs = found !== undefined && found.uid === process.getuid?.()
  if (served === undefined && !isOurs) return []
  const check = 'store'
  const room = served ?? { path, free: await freeBytesAt(path) }
  const about = `${roomText(room)}${served === undefined ? ' (the default place: no daemon has told us of its store)' : ''}`
  if (isOurs && (found.mode & OTHERS) !== 0) {
    return [{ check, level: 'fail', found: `${about}: others may look into it`, remedy: `chmod 700 ${path}` }]
  }
  if (room['code'] === 'storage-failed') {
    return [{ check, level: 'fail', found: about, remedy: 'look after the disk and into what tallyd logged, then start it again' }]
  }
  const makeRoom = 'make room: tally rm, or a larger disk'
  if (room['code'] !== undefined) {
    const remedy = Number(room['min-free']) > 0 ? `${makeRoom}; or a smaller min-free` : makeRoom
    return [{ check, level: 'fail', found: about, remedy, error: new TallyError('storage-full', about) }]
  }
  if (Number(room['free']) < FREE_BYTES_MIN) return [{ check, level: 'warn', found: about, remedy: makeRoom }]
  return [{ check, level: 'ok', found: about }]
}

/** For those who are not root. */
async function freeBytesAt(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}

/** This shell's, which a daemon that is started from it has, too. Only Linux tells. */
async function limitFindings(): Promise<readonly Finding[]> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const [, soft] = /^Max open files\s+(\S+)/m.exec(limits) ?? []
  if (soft === undefined) return []
  const few = soft !== 'unlimited' && Number(soft) < OPEN_FILES_MIN
  const found = `${soft} open files`
  return [{ check: 'limits', level: few ? 'warn' : 'ok', found, ...(few ? { remedy: `ulimit -n ${OPEN_FILES_MIN * 4} before tallyd` } : {}) }]
}

/** What a JWT says, unverified. Throws `token-invalid` where it is none. */
function claimsOf(token: string): Readonly<Record<string, unknown>> {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    if (typeof claims === 'object' && claims !== null) return claims as Record<string, unknown>
  } catch {
    // Not JSON: no token.
  }
  throw new TallyError('token-invalid', 'this is no JWT')
}
