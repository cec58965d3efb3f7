/**
 * What a campaign strikes at: a daemon that is killed, or a machine whose power is cut under the daemon. Both come up again on the
 * same store.
 */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { type DaemonOptions, TestDaemon } from '../support/daemon.ts'
import type { Random } from '../support/random.ts'
import { LATER } from './clock.ts'
import { type CutMoment, type FileSystemName, PowerDisk } from './power-disk.ts'
import { drawStep } from './steps.ts'

export type Life = Pick<DaemonOptions, 'args' | 'env'>

/** For `node --import`. */
export const BLOW_AT = join(import.meta.dirname, 'blow-at.ts')
/** When a command is killed, from its start. */
const COMMAND_MS = [100, 600] as const

export interface Victim {
  readonly daemon: TestDaemon
  /** Brings the machine up: the store is there, and no daemon. */
  up(): Promise<void>
  /** Spawns the daemon, with more flags and variables for this one life; `daemon.ready` says when it serves. */
  spawn(random: Random, life?: Life): void
  /** The daemon serves: what is to fall inside its work may be prepared. */
  ready(random: Random): void
  /** Must not wait: the blow falls when it returns. */
  strike(random: Random): void
  /** Variables with which a process strikes itself at a step of its own. */
  ownBlow(random: Random): Readonly<Record<string, string>>
  /** A blow from outside somewhere in a command that works on the stopped store. */
  strikeAt(command: ChildProcess, random: Random): void
  /** After a command has ended: no blow is due any more, and the machine is up (again). Says whether its power was cut. */
  recover(): Promise<boolean>
  /** Settles when all is down after the blow, also where it fell by itself (an armed cut). */
  down(): Promise<void>
  /** The blow has fallen. */
  readonly struck: boolean
  /** Between the blow and the daemon's end it may answer Errors. */
  readonly refusesAfterBlow: boolean
  dispose(): Promise<void>
}

/** `kill -9`. The page cache stays, so this shows the order of things and what is answered too early, not missing syncs. */
export class KilledDaemon implements Victim {
  readonly daemon: TestDaemon
  readonly refusesAfterBlow = false
  #isKilled = false
  #strikesItself = false

  constructor(options: DaemonOptions) {
    this.daemon = new TestDaemon(withImports(options))
  }

  get struck(): boolean {
    return this.#isKilled || (this.#strikesItself && this.daemon.signal === 'SIGKILL')
  }

  async up(): Promise<void> {}

  spawn(_random: Random, life?: Life): void {
    this.#isKilled = false
    this.#strikesItself = life?.env?.['TALLY_TEST_STEP'] !== undefined
    this.daemon.spawn(life)
  }

  ready(): void {}

  strike(): void {
    this.#isKilled = true
    void this.daemon.kill()
  }

  ownBlow(random: Random): Readonly<Record<string, string>> {
    return { TALLY_TEST_STEP: drawStep(random) }
  }

  strikeAt(command: ChildProcess, random: Random): void {
    const timer = setTimeout(() => command.kill('SIGKILL'), random.between(...COMMAND_MS))
    command.once('exit', () => clearTimeout(timer))
  }

  async recover(): Promise<boolean> {
    return false
  }

  async down(): Promise<void> {
    await this.daemon.exited
  }

  async dispose(): Promise<void> {
    await this.daemon.dispose()
  }
}

const KEEPS = [0, 0.05, 0.5, 0.5, 0.95, 1]

/** A power cut: the disk keeps a random, torn subset of what was not flushed; the daemon dies with the machine. */
export class PoweredMachine implements Victim {
  readonly daemon: TestDaemon
  readonly disk: PowerDisk
  readonly refusesAfterBlow = true
  /** Sectors not flushed at the cuts, and how many of them stayed. */
  readonly sectors = { unflushed: 0, kept: 0 }

  constructor(options: DaemonOptions, fileSystem?: FileSystemName) {
    this.disk = new PowerDisk(fileSystem)
    this.daemon = new TestDaemon({ durability: 'power', ...withImports(options), store: join(this.disk.mount, 'store') })
  }

  get struck(): boolean {
    return this.disk.isCut
  }

  async up(): Promise<void> {
    await this.disk.up()
  }

  spawn(random: Random, life?: Life): void {
    // Some cuts fall into the recovery from the last one.
    if (random.chance(0.1)) this.#arm(random, 1, 100)
    // Whoever is up when the power goes does not live to answer again.
    void this.disk.gone.then(() => this.daemon.kill())
    this.daemon.spawn(life)
  }

  /** Half of the cuts fall inside the disk's own work, where no signal would ever hit: between two writes of one sync. */
  ready(random: Random): void {
    if (random.chance(0.5)) this.#arm(random, 5, 4000)
  }

  ownBlow(random: Random): Readonly<Record<string, string>> {
    return { TALLY_TEST_STEP: drawStep(random), TALLY_TEST_CUT: `${random.uint32()} ${random.pick(KEEPS)}`, TALLY_TEST_DISK: this.disk.control }
  }

  strikeAt(command: ChildProcess, random: Random): void {
    void this.disk.gone.then(() => command.kill('SIGKILL'))
    this.#arm(random, 1, 400)
  }

  async recover(): Promise<boolean> {
    if (this.disk.disarm()) return false
    await this.down()
    await this.up()
    return true
  }

  #arm(random: Random, first: number, last: number): void {
    const moment = random.pick<CutMoment>(['write', 'write', 'fsync', 'synced'])
    this.disk.arm(moment, random.magnitude(first, moment === 'write' ? last : Math.ceil(last / 10)), random.uint32(), random.pick(KEEPS))
  }

  strike(random: Random): void {
    this.disk.cut(random.uint32(), random.pick(KEEPS))
  }

  async down(): Promise<void> {
    await this.daemon.exited
    const report = await this.disk.down()
    this.sectors.unflushed += report?.unflushed ?? 0
    this.sectors.kept += report?.kept ?? 0
  }

  async dispose(): Promise<void> {
    await this.daemon.kill()
    await this.disk.dispose()
    await this.daemon.dispose()
  }
}

function withImports(options: DaemonOptions): DaemonOptions {
  return { ...options, execArgv: ['--import', LATER, '--import', BLOW_AT, ...options.execArgv ?? []] }
}
