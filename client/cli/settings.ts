/** Which socket and which token the flags and the environment mean, and who said so; flags over environment over defaults. */
import { type Environment, secretPath, socketPath, userName } from '../../protocol/index.ts'
import { type TokenSource, givenToken, mintedToken, tokenFromFile } from '../token.ts'
import type { Arguments } from './arguments.ts'

/** A value, and the flag or variable that gave it; by default neither. */
export interface Setting {
  readonly value: string
  readonly by: string
}

export interface TokenSetting extends Setting {
  /** What the value is: the token itself, the path of its file, or of the secret that mints it. */
  readonly kind: 'token' | 'token-file' | 'secret-file'
}

export interface Settings {
  readonly socket: Setting
  readonly token: TokenSetting
}

export function settingsOf(given: Arguments, env: Environment, home: string): Settings {
  const socket = firstOf(given, env, 'socket', 'TALLY_SOCKET') ?? { value: socketPath(env, home), by: 'the default' }
  const secret = firstOf(given, env, 'secret-file', 'TALLY_SECRET_FILE') ?? { value: secretPath(env, home), by: 'the default' }
  const tokenFile = firstOf(given, env, 'token-file')
  if (tokenFile !== undefined) return { socket, token: { kind: 'token-file', ...tokenFile } }
  const token = env['TALLY_TOKEN']
  if (token !== undefined && !given.has('secret-file')) return { socket, token: { kind: 'token', value: token, by: 'TALLY_TOKEN' } }
  return { socket, token: { kind: 'secret-file', ...secret } }
}

/** @param scope of a token that is minted; absent: everything but admin */
export function tokenSource({ kind, value }: TokenSetting, scope?: readonly string[]): TokenSource {
  if (kind === 'token') return givenToken(value)
  return kind === 'token-file' ? tokenFromFile(value) : mintedToken(value, userName(process.getuid?.() ?? 0), scope)
}

function firstOf(given: Arguments, env: Environment, flag: string, variable?: string): Setting | undefined {
  const byFlag = given.one(flag)
  if (byFlag !== undefined) return { value: byFlag, by: `--${flag}` }
  const byVariable = variable === undefined ? undefined : env[variable]
  return byVariable === undefined || variable === undefined ? undefined : { value: byVariable, by: variable }
}
