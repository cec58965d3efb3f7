/**
 * The configuration of a running daemon: read once at the start, and again at HUP. What can change meanwhile changes as a whole or, where
 * anything of it is wrong, not at all; what cannot is named, and holds from the next start on.
 */
import { homedir } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import type { Environment } from '../protocol/defaults.ts'
import type { ValueMap } from '../protocol/messages.ts'
import type { TokenRules } from './auth/token.ts'
import { type Config, keysOf, readConfig } from './config.ts'
import { makeSecret } from './first-secret.ts'
import { failureWords } from './storage/local/failure-words.ts'
import { FLAGS } from './flags.ts'
import type { Settings } from './settings.ts'

/** A setting's values, none where it is not set; or those of `keys`: their fingerprints. */
export interface Change {
  readonly name: string
  readonly before: readonly string[]
  readonly after: readonly string[]
}

export interface Reloaded {
  /** What holds from now on. */
  readonly changed: readonly Change[]
  /** What differs from the start, and waits for the next one. */
  readonly waiting: readonly Change[]
}

export class LiveConfig {
  /** The secret was not there before. */
  readonly hasMadeSecret: boolean
  readonly atStart: Settings
  readonly #args: readonly string[]
  readonly #env: Environment
  #config: Config
  #settings: Settings
  #rules: TokenRules

  /**
   * `config` and `settings` are what `readConfig` made of `args` and `env`. The first start makes
   * the secret where no key is configured. Throws a UsageError where the keys cannot be used.
   */
  constructor(config: Config, settings: Settings, args: readonly string[], env: Environment) {
    this.hasMadeSecret = config.makeSecret && secretMade(config.keySource.path)
    this.#args = args
    this.#env = env
    this.#config = config
    this.atStart = settings
    this.#settings = settings
    this.#rules = rulesOf(config, settings)
  }

  /** What holds now. Of what needs a new start this is the latest reading, which nobody looks at again. */
  get config(): Config {
    return this.#config
  }

  /** As they were read last. */
  get settings(): Settings {
    return this.#settings
  }

  get rules(): TokenRules {
    return this.#rules
  }

  /**
   * For an operator: each setting with the values that hold, where they come from and whether new ones hold at HUP (else which wait for the
   * next start); one that nobody set has no values. The keys by their fingerprints.
   */
  described(): ValueMap {
    const settings = named(this.atStart, this.#settings).map(name => {
      const live = isLive(name)
      const { values = [], origin = 'default' } = (live ? this.#settings : this.atStart).get(name) ?? {}
      const next = live || said(this.atStart, name) === said(this.#settings, name) ? {} : { next: this.#settings.get(name)?.values ?? [] }
      return { name, values, origin, live, ...next }
    })
    return { settings, keys: [...this.#rules.keys.ids] }
  }

  /** Reads everything anew, the keys included. Throws a UsageError; then nothing has changed. */
  reload(): Reloaded {
    const command = readConfig(this.#args, this.#env, homedir())
    if (command.run !== 'daemon') throw new Error('these arguments do not run a daemon')
    const rules = rulesOf(command.config, command.settings)
    const before = this.#settings
    const differing = (live: boolean, since: Settings): readonly Change[] => named(since, command.settings)
      .filter(name => isLive(name) === live && said(since, name) !== said(command.settings, name))
      .map(name => ({ name, before: since.get(name)?.values ?? [], after: command.settings.get(name)?.values ?? [] }))
    const keys = { name: 'keys', before: [...this.#rules.keys.ids].sort(), after: [...rules.keys.ids].sort() }
    this.#config = command.config
    this.#settings = command.settings
    this.#rules = rules
    return { changed: [...differing(true, before), ...(isDeepStrictEqual(keys.before, keys.after) ? [] : [keys])], waiting: differing(false, this.atStart) }
  }
}

/** Every setting that there is, and what either says of single users and tags. */
function named(one: Settings, other: Settings): readonly string[] {
  return [...new Set([...FLAGS.filter(({ inFile }) => inFile === true).map(({ name }) => name), ...one.keys(), ...other.keys()])]
}

/** What holds for one user or tag always is. */
function isLive(name: string): boolean {
  return FLAGS.find(flag => flag.name === name)?.live ?? name.includes('.')
}

function said(settings: Settings, name: string): string {
  return JSON.stringify(settings.get(name)?.values ?? [])
}

function rulesOf(config: Config, settings: Settings): TokenRules {
  const { issuer, audience, requireExp, userClaim } = config
  return {
    keys: keysOf(config, settings),
    requireExp,
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
    ...(userClaim === undefined ? {} : { userClaim }),
  }
}

/** As `makeSecret`. Throws an Error with a sentence for the operator. */
function secretMade(path: string): boolean {
  try {
    return makeSecret(path)
  } catch (cause) {
    throw new Error(`the secret ${path}, with which users make their tokens, cannot be made: ${failureWords(cause)}`, { cause })
  }
}
