/** Which socket and which token is meant, and who said so: flags over environment over `config.toml` over defaults. */
import { type Environment, secretPath, socketPath, userName } from '../../protocol/index.ts'
import { type TokenSource, givenToken, mintedToken, tokenFromFile } from '../token.ts'
import type { Arguments } from './arguments.ts'
import { readClientConfig } from './config-file.ts'

/** A value, and what gave it: a flag, a variable, a file, or nobody. */
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
  /** Who besides ourselves and root may own the socket. */
  readonly trustedUids: readonly number[]
}

/** Throws UsageError. */
export function settingsOf(given: Arguments, env: Environment, home: string): Settings {
  const { path, trustedUids, ...file } = readClientConfig(env, home)
  const inFile = (value: string | undefined): Setting | undefined => (value === undefined ? undefined : { value, by: path })
  const socket = firstOf(given, env, 'socket', 'TALLY_SOCKET') ?? inFile(file.socket) ?? { value: socketPath(env, home), by: 'the default' }
  const token = env['TALLY_TOKEN']
  // Each place decides for all: a secret that is named is meant to mint, whatever token lies elsewhere.
  const tokens: readonly (readonly [TokenSetting['kind'], Setting | undefined])[] = [
    ['token-file', firstOf(given, env, 'token-file')],
    ['secret-file', firstOf(given, env, 'secret-file')],
    ['token', token === undefined ? undefined : { value: token, by: 'TALLY_TOKEN' }],
    ['secret-file', firstOf(given, env, 'secret-file', 'TALLY_SECRET_FILE')],
    ['token-file', inFile(file.tokenFile)],
    ['secret-file', inFile(file.secretFile) ?? { value: secretPath(env, home), by: 'the default' }],
  ]
  const [kind, setting] = tokens.find(([, found]) => found !== undefined) as [TokenSetting['kind'], Setting]
  return { socket, token: { kind, ...setting }, trustedUids }
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
