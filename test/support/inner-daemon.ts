/**
 * A daemon in the process of the test, over a real socket, with a clock and a store of the test's own: for what no process could be
 * asked to do, such as to let time pass or its disk fail.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { loadKeys } from '../../daemon/auth/keys.ts'
import { verifyToken } from '../../daemon/auth/token.ts'
import { Daemon, type DaemonOptions } from '../../daemon/daemon.ts'
import { createLogger } from '../../daemon/log.ts'
import { openMemoryStore } from '../../daemon/storage/memory.ts'
import type { Store } from '../../daemon/storage/storage.ts'
import { RawClient, type RawClientOptions } from './raw-client.ts'
import { type Claims, mintToken } from './token.ts'

export const SECRET = 'a-secret-of-at-least-32-bytes-for-hs256'

export interface InnerDaemon {
  readonly daemon: Daemon
  readonly store: Store
  /** Moved by the test alone. */
  readonly clock: { nowMs: number }
  readonly path: string
  token(claims?: Claims): string
  /** A connection that is destroyed with the test. */
  connect(options?: RawClientOptions): Promise<RawClient>
  /** One that has authenticated. */
  client(claims?: Claims, options?: RawClientOptions): Promise<RawClient>
}

/** Starts it over a memory store, or another; it is stopped when the test ends. */
export async function startInner(t: Test, more: Partial<DaemonOptions> = {}): Promise<InnerDaemon> {
  const directory = mkdtempSync(join(tmpdir(), 'tally-inner-'))
  const secret = join(directory, 'secret')
  writeFileSync(secret, SECRET)
  const clock = { nowMs: Date.now() }
  const keys = loadKeys({ kind: 'secret', path: secret })
  const path = join(directory, 'tally.sock')
  const store = more.store ?? openMemoryStore()
  const daemon = new Daemon({
    store,
    socketPaths: [path],
    verifyToken: text => verifyToken(text, { keys }, clock.nowMs),
    log: createLogger({ level: 'error', format: 'text', write: () => undefined, nowMs: () => clock.nowMs }),
    limits: { fileBytesMax: 2 ** 40 },
    nowMs: () => clock.nowMs,
    ...more,
  })
  await daemon.start()
  t.teardown(async () => {
    await daemon.stop()
    rmSync(directory, { recursive: true, force: true })
  })
  const token = (claims: Claims = { sub: 'ada' }) => mintToken(SECRET, claims)
  const connect = async (options?: RawClientOptions) => {
    const client = await RawClient.connect(path, options)
    t.teardown(() => client.destroy())
    return client
  }
  const client = async (claims?: Claims, options?: RawClientOptions) => {
    const made = await connect(options)
    const { response, reason } = await made.authenticate(token(claims))
    if (response !== 'Ok') throw new Error(reason)
    return made
  }
  return { daemon, store, clock, path, token, connect, client }
}
