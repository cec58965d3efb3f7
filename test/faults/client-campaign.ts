/**
 * `kill -9` of the command line client at drawn moments, then the same command again until it is done; now and then the daemon is killed
 * instead, and the client has to go on by itself. Between client and daemon a
 * relay keeps the record; at the end each file is there once, and byte for byte.
 */
import { spawn } from 'node:child_process'
import { utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TestDaemon } from '../support/daemon.ts'
import { contentOf, Random } from '../support/random.ts'
import { Violation } from '../support/record.ts'
import { TYPE } from '../support/wire.ts'
import { RecordingRelay, type RelayEvent } from './recording-relay.ts'

const CLI = join(import.meta.dirname, '../../client/cli/main.ts')
const RUN_TIMEOUT_MS = 60_000

export interface ClientCampaignOptions {
  readonly seed: number
  readonly kills: number
  readonly log?: (line: string) => void
}

export interface ClientTally {
  kills: number
  daemonKills: number
  /** Ended because the daemon was down at the first log-in. */
  startsRefused: number
  files: number
  runs: number
  sent: number
  sentTwice: number
  acked: number
  acknowledgedSentAgain: number
}

interface Outcome {
  readonly killed: boolean
  readonly daemonKilled: boolean
  readonly code: number | null
  readonly output: string
}

export async function runClientCampaign({ seed, kills, log }: ClientCampaignOptions): Promise<ClientTally> {
  const random = new Random(seed)
  const daemon = new TestDaemon({ durability: 'process' })
  const relay = new RecordingRelay(join(daemon.directory, 'relay.sock'), daemon.socket)
  const tally = { kills: 0, daemonKills: 0, startsRefused: 0, files: 0, runs: 0 }
  const all = (): ClientTally => ({ ...tally, ...relay.counts })
  try {
    await daemon.start()
    await relay.listen()
    while (tally.kills < kills) {
      const fileSeed = random.uint32()
      const bytes = contentOf(fileSeed, random.chance(0.1) ? random.between(0, 3) : random.magnitude(1000, 3_000_000))
      const path = join(daemon.directory, `file-${tally.files}`)
      const tag = `put-${tally.files++}`
      writeFileSync(path, bytes)
      utimesSync(path, 1_700_000_000, 1_700_000_000)
      let killsLeft = random.between(1, 5)
      for (;;) {
        const strike = killsLeft-- <= 0 ? undefined : random.chance(0.25) ? 'daemon' : 'client'
        const sentBefore = relay.counts.sent
        const outcome = await put({ daemon, relay, path, tag, random, strike })
        if (outcome.daemonKilled) tally.daemonKills++
        tally.runs++
        if (relay.counts.acknowledgedSentAgain > 0) throw new Violation(`seed ${seed}, ${path}: an acknowledged chunk was sent again`)
        if (outcome.killed) tally.kills++
        else if (outcome.code === 0) break
        // Nobody listened at its very first log-in, which is not tried again: the same command goes on.
        else if (outcome.daemonKilled && relay.counts.sent === sentBefore && /connection-lost|connect-failed/.test(outcome.output))
          tally.startsRefused++
        else throw new Violation(`seed ${seed}: tally put ended with ${outcome.code}: ${outcome.output.slice(-2000)}\n${daemon.tail()}`)
      }
      await compare(daemon, tag, bytes, seed)
      if (tally.files % 10 === 0) log?.(JSON.stringify(all()))
    }
    return all()
  } finally {
    await relay.close()
    await daemon.dispose()
  }
}

interface Run {
  readonly daemon: TestDaemon
  readonly relay: RecordingRelay
  readonly path: string
  readonly tag: string
  readonly random: Random
  /** Who is killed at a drawn moment, if the run lasts so long. */
  readonly strike: 'client' | 'daemon' | undefined
}

/** One run of `tally put`. A daemon that was killed is up again at the end. */
async function put({ daemon, relay, path, tag, random, strike }: Run): Promise<Outcome> {
  const child = spawn(process.execPath, [CLI, 'put', path, '--tag', tag, '--chunk-size', '1024', '--json', '--socket', relay.path], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TALLY_TOKEN: daemon.token() },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
  const closed = new Promise<{ code: number | null; signal: string | null }>(resolve => {
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  let restarted: Promise<void> | undefined
  const kill = (): void => {
    if (strike === 'client') child.kill('SIGKILL')
    else restarted ??= daemon.restart()
  }
  const timers = [setTimeout(() => child.kill('SIGKILL'), RUN_TIMEOUT_MS)]
  if (strike !== undefined) {
    const kind = random.pick<RelayEvent | 'time'>(['time', 'connection', 'authentication', 'sent', 'sent', 'acked', 'acked', 'stored'])
    const delayMs = kind === 'time' ? random.between(0, 600) : random.pick([0, 0, 1, 3])
    let left = kind === 'sent' || kind === 'acked' ? random.magnitude(1, 3000) : kind === 'authentication' ? random.between(1, 3) : 1
    if (kind === 'time') timers.push(setTimeout(kill, delayMs))
    relay.onEvent = event => {
      if (event === kind && --left === 0) timers.push(setTimeout(kill, delayMs))
    }
  }
  const { code, signal } = await closed
  for (const timer of timers) clearTimeout(timer)
  relay.onEvent = undefined
  await restarted
  return { killed: strike === 'client' && signal === 'SIGKILL', daemonKilled: restarted !== undefined, code, output }
}

async function compare(daemon: TestDaemon, tag: string, bytes: Buffer, seed: number): Promise<void> {
  const client = await daemon.client()
  try {
    await client.authenticate(daemon.token())
    const found = (await client.request(TYPE.find, { tags: [tag] })).files as unknown as { fid: string; file: number }[]
    if (found.length !== 1) throw new Violation(`seed ${seed}: ${found.length} files with the tag ${tag}`)
    const got = await client.fetch({ fid: found[0]?.fid, file: found[0]?.file })
    if (got.absent > 0 || !got.bytes.equals(bytes)) throw new Violation(`seed ${seed}: the file tagged ${tag} differs (${got.answer.code})`)
  } finally {
    client.destroy()
  }
}
