/**
 * Where things are when nobody said otherwise, by the XDG base directory specification. Pure functions, shared by daemon and client so
 * that both look in the same places; who calls them brings the environment, the home directory and the numeric user id.
 */

export type Environment = Readonly<Record<string, string | undefined>>

/** Where the daemon listens and the client connects: in the runtime directory, else in the home's state directory. */
export function socketPath(env: Environment, home: string): string {
  const runtime = absolute(env['XDG_RUNTIME_DIR'])
  return runtime === undefined ? `${home}/.local/state/tally/tally.sock` : `${runtime}/tally/tally.sock`
}

/** The store's directory. */
export function storePath(env: Environment, home: string): string {
  return `${absolute(env['XDG_DATA_HOME']) ?? `${home}/.local/share`}/tally`
}

/** The secret that the daemon makes at its first start, and with which the same user's client mints its tokens. */
export function secretPath(env: Environment, home: string): string {
  return `${configDirectory(env, home)}/secret`
}

/** What an operator wrote down: read where it is there. */
export function configPath(env: Environment, home: string): string {
  return `${configDirectory(env, home)}/config.toml`
}

/**
 * The user of a token that a client mints for itself: the decimal digits of the numeric id, as the original's authentication daemon
 * has it. Not the login name: a job without `USER` in its environment must see the same files.
 */
export function userName(uid: number): string {
  return String(uid)
}

function configDirectory(env: Environment, home: string): string {
  return `${absolute(env['XDG_CONFIG_HOME']) ?? `${home}/.config`}/tally`
}

/** The specification: a relative path in these variables is invalid and to be ignored; an empty one is as unset. */
function absolute(path: string | undefined): string | undefined {
  return path?.startsWith('/') ? path.replace(/\/+$/, '') : undefined
}
