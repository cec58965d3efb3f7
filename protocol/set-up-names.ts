/**
 * The names of what a person sets for either program: variables of the environment, and the table `[client]` of `config.toml`. Shared,
 * because each program finds what is meant for the other one in the same place, and is to tell that from a slip. What a name means, and
 * what the daemon's own settings are in the file, its program knows.
 */
import type { Environment } from './defaults.ts'

/** What `[client]` may hold: a path, or numeric user ids. */
export const CLIENT_SETTINGS: Readonly<Record<string, 'path' | 'user ids'>> = {
  'socket': 'path', 'token-file': 'path', 'secret-file': 'path', 'trusted-uids': 'user ids',
}

/** What `tally` and the library read. */
export const CLIENT_VARIABLES: readonly string[] = ['TALLY_CONFIG', 'TALLY_SECRET_FILE', 'TALLY_SOCKET', 'TALLY_TOKEN']

/** What `tallyd` reads: a test holds this to its table of flags. */
export const DAEMON_VARIABLES: readonly string[] = [
  'TALLY_AUDIENCE', 'TALLY_CONFIG', 'TALLY_CONNECTIONS', 'TALLY_DURABILITY', 'TALLY_EXPIRE_UNFINISHED', 'TALLY_ISSUER', 'TALLY_JWKS',
  'TALLY_LIMIT_RATE', 'TALLY_LOG_FORMAT', 'TALLY_LOG_LEVEL', 'TALLY_MAX_FILE_SIZE', 'TALLY_METRICS', 'TALLY_MIN_FREE', 'TALLY_PUBLIC_KEY',
  'TALLY_QUOTA', 'TALLY_QUOTA_FILES', 'TALLY_REQUIRE_EXP', 'TALLY_SCRUB_RATE', 'TALLY_SECRET_FILE', 'TALLY_SOCKET', 'TALLY_SOCKET_GROUP',
  'TALLY_SOCKET_MODE', 'TALLY_STORE', 'TALLY_USER_CLAIM', 'TALLY_USER_CONNECTIONS', 'TALLY_USER_LIMIT_RATE', 'TALLY_USER_TRANSFERS',
]

export const VARIABLE_PREFIX = 'TALLY_'
/** What begins so is for tests, which hand their environment on to the programs. */
const TEST_PREFIX = 'TALLY_TEST_'

/** The variables that begin as ours do and are neither program's, in their order. One that is empty is as unset. */
export function unknownVariables(env: Environment): readonly string[] {
  const known = new Set([...CLIENT_VARIABLES, ...DAEMON_VARIABLES])
  return Object.keys(env).filter(name => name.startsWith(VARIABLE_PREFIX) && !name.startsWith(TEST_PREFIX) && env[name] !== '' && !known.has(name))
}
