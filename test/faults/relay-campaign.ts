/**
 * Puts and gets through two relays with a bad link between them, while the client, either relay and the daemon are killed at drawn moments.
 * In the end each file is there, byte for byte, on both sides, and nothing that was acknowledged went over the client's socket again.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TestDaemon } from '../support/daemon.ts'
import { contentOf, Random } from '../support/random.ts'
import { Violation } from '../support/record.ts'
import { RelayProcess } from '../support/relay-process.ts'
import { FaultyWire } from './faulty-wire.ts'
import { RecordingRelay } from './recording-relay.ts'

const CLIENT = join(import.meta.dirname, 'relay-client.ts')
const RUN_TIMEOUT_MS = 180_000
const VICTIMS = ['client', 'near relay', 'far relay', 'daemon'] as const

type Target = typeof VICTIMS[number]

export interface RelayCampaignOptions {
  readonly seed: number
  readonly kills: number
  readonly log?: (line: string) => void
}

export interface RelayCampaignTally {
  readonly kills: Readonly<Record<Target, number>>
  readonly faults: FaultyWire['counts']
  readonly files: number
  readonly runs: number
  readonly sent: number
  readonly acked: number
  readonly fetched: number
}

/** Throws a `Violation`. */
export async function runRelayCampaign(options: RelayCampaignOptions): Promise<RelayCampaignTally> {
  const campaign = new RelayCampaign(options.seed)
  try {
    return await campaign.run(options)
  } catch (cause) {
    throw new Violation(`seed ${options.seed}, ${JSON.stringify(campaign.tally)}: ${cause instanceof Error ? cause.message : cause}`, { cause })
  } finally {
    await campaign.dispose()
  }
}

class RelayCampaign {
  readonly #random: Random
  readonly #daemon = new TestDaemon({ durability: 'process' })
  readonly #far: RelayProcess
  readonly #wire: FaultyWire
  readonly #near: RelayProcess
  readonly #recorder: RecordingRelay
  readonly #kills: Record<Target, number> = { 'client': 0, 'near relay': 0, 'far relay': 0, 'daemon': 0 }
  #files = 0
  #runs = 0

  constructor(seed: number) {
    this.#random = new Random(seed)
    const directory = join(this.#daemon.directory, 'relays')
    mkdirSync(directory, { mode: 0o700 })
    this.#far = new RelayProcess(join(directory, 'far'), this.#daemon.socket)
    this.#wire = new FaultyWire(join(directory, 'wire'), this.#far.socket, new Random(this.#random.uint32()))
    this.#near = new RelayProcess(join(directory, 'near'), this.#wire.path)
    this.#recorder = new RecordingRelay(join(directory, 'recorder'), this.#near.socket)
  }

  get tally(): RelayCampaignTally {
    const { sent, acked } = this.#recorder.counts
    const { acked: fetched } = this.#recorder.fetches
    return { kills: this.#kills, faults: this.#wire.counts, files: this.#files, runs: this.#runs, sent, acked, fetched }
  }

  async run({ kills, log }: RelayCampaignOptions): Promise<RelayCampaignTally> {
    await this.#daemon.start()
    await this.#far.start()
    await Promise.all([this.#wire.listen(), this.#recorder.listen()])
    await this.#near.start()
    while (Object.values(this.#kills).reduce((sum, count) => sum + count, 0) < kills) {
      await this.#file()
      if (this.#files % 10 === 0) log?.(JSON.stringify(this.tally))
    }
    return this.tally
  }

  async dispose(): Promise<void> {
    await Promise.all([this.#recorder.close(), this.#near.kill(), this.#wire.close(), this.#far.kill()])
    await this.#daemon.dispose()
  }

  /** Puts one and gets it back, again and again until both are done. */
  async #file(): Promise<void> {
    const random = this.#random
    const bytes = contentOf(random.uint32(), random.chance(0.1) ? random.between(0, 2000) : random.between(10_000, 3_000_000))
    const path = join(this.#daemon.directory, `file-${this.#files}`)
    const target = `${path}-got`
    writeFileSync(path, bytes)
    const output = await this.#untilDone(['put', this.#recorder.path, path, `tag-${this.#files}`])
    const { fid, counts } = JSON.parse(output) as { fid: string; counts: { acknowledgedLost: number } }
    if (counts.acknowledgedLost > 0) throw new Violation(`${path}: ${counts.acknowledgedLost} acknowledged chunks were lost`)
    await this.#untilDone(['get', this.#recorder.path, `${fid}/0`, target])
    if (!readFileSync(target).equals(bytes)) throw new Violation(`${path}: what was fetched differs`)
    const again = this.#recorder.counts.acknowledgedSentAgain
    if (again > 0) throw new Violation(`${path}: ${again} acknowledged chunks were sent again`)
    rmSync(path)
    rmSync(target)
    this.#files++
  }

  async #untilDone(args: readonly string[]): Promise<string> {
    for (let blows = this.#random.between(0, 3); ; blows--) {
      const { code, output, isKilled } = await this.#once(args, blows > 0 ? this.#random.pick(VICTIMS) : undefined)
      if (code === 0) return output
      if (!isKilled) throw new Violation(`${args.join(' ')} ended with ${code}: ${output.slice(-2000)}\n${this.#daemon.tail()}`)
    }
  }

  /** One run of the client. Whoever else was killed is up again at the end. */
  async #once(args: readonly string[], victim: Target | undefined): Promise<{ code: number | null; output: string; isKilled: boolean }> {
    this.#runs++
    const child = spawn(process.execPath, [CLIENT, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TALLY_TOKEN: this.#daemon.token() },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
    const closed = new Promise<number | null>(resolve => child.once('close', resolve))
    let isOver = false
    let restarted: Promise<void> | undefined
    const timeout = setTimeout(() => {
      output += `\nstill running after ${RUN_TIMEOUT_MS} ms`
      child.kill('SIGKILL')
    }, RUN_TIMEOUT_MS)
    let left = this.#random.magnitude(1, 3000)
    const delayMs = this.#random.between(0, 20)
    let struck = false
    this.#recorder.onEvent = event => {
      if (victim === undefined || event === 'connection' || --left !== 0) return
      setTimeout(() => {
        if (isOver) return
        struck = true
        this.#kills[victim]++
        restarted = this.#strike(victim, child)
      }, delayMs)
    }
    const code = await closed
    isOver = true
    clearTimeout(timeout)
    this.#recorder.onEvent = undefined
    await restarted
    return { code, output, isKilled: struck && victim === 'client' }
  }

  async #strike(victim: Target, child: ChildProcess): Promise<void> {
    if (victim === 'client') child.kill('SIGKILL')
    if (victim === 'near relay') await this.#near.restart()
    if (victim === 'far relay') await this.#far.restart()
    if (victim === 'daemon') await this.#daemon.restart()
  }
}
