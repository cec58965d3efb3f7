/**
 * A file system whose power can be cut: ext4 or btrfs on a loop device on the FUSE disk of `powercut.py`. It owns the mounts and the image,
 * and leaves to others what is written there and what must be found again. Needs root and Debian's fuse3, libfuse2, python3-fusepy, and
 * btrfs-progs for btrfs.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const PYTHON = '/usr/bin/python3'
const SERVER = join(import.meta.dirname, 'powercut.py')
const UP_TIMEOUT_MS = 10_000

/** When an armed cut happens: at the nth write, before the flush of the nth sync, or after it but before it is answered. */
export type CutMoment = 'write' | 'fsync' | 'synced'

/**
 * What a sync makes durable: on ext4 all that came before it, as the journal is committed as a whole; on btrfs nothing but what was synced.
 */
export type FileSystemName = 'ext4' | 'btrfs'

interface Making {
  readonly sizeBytes: number
  readonly make: readonly string[]
  /** What a booting machine does before it mounts. */
  readonly check: readonly string[]
}

const MAKINGS: Readonly<Record<FileSystemName, Making>> = {
  ext4: {
    sizeBytes: 128 * 2 ** 20,
    make: ['mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0,nodiscard'],
    check: ['e2fsck', '-p'],
  },
  btrfs: {
    sizeBytes: 512 * 2 ** 20,
    make: ['mkfs.btrfs', '-q', '-f', '-K', '-m', 'single', '-d', 'single'],
    check: ['true'],
  },
}

export interface CutReport {
  readonly write: number
  readonly fsync: number
  /** Sectors of 512 bytes that were written and not flushed, and how many of them stayed. */
  readonly unflushed: number
  readonly kept: number
}

export class PowerDisk {
  /** Where the file system is mounted. */
  readonly mount: string
  readonly #directory: string
  readonly #image: string
  readonly #fuse: string
  #server: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()
  #output = ''
  #loop: string | undefined
  readonly #check: readonly string[]

  constructor(fileSystem: FileSystemName = 'ext4') {
    const { sizeBytes, make, check } = MAKINGS[fileSystem]
    this.#check = check
    this.#directory = mkdtempSync(join(tmpdir(), 'tally-power-'))
    this.#image = join(this.#directory, 'image')
    this.#fuse = join(this.#directory, 'fuse')
    this.mount = join(this.#directory, 'mnt')
    mkdirSync(this.#fuse)
    mkdirSync(this.mount)
    writeFileSync(this.#image, '')
    truncateSync(this.#image, sizeBytes)
    run(...make, this.#image)
  }

  /** Why this machine cannot do it, or undefined. */
  static obstacle(fileSystem: FileSystemName = 'ext4'): string | undefined {
    if (process.getuid?.() !== 0) return 'needs root'
    if (!existsSync('/dev/fuse') || !existsSync('/dev/loop-control')) return 'needs /dev/fuse and loop devices'
    if (spawnSync(PYTHON, ['-c', 'import fusepy']).status !== 0) return 'needs Debian\'s fuse3, libfuse2 and python3-fusepy'
    if (fileSystem === 'btrfs' && spawnSync('mkfs.btrfs', ['--version']).status !== 0) return 'needs Debian\'s btrfs-progs'
    return undefined
  }

  /** Whether the kernel knows it, which no package changes; it may be a module that is not loaded yet. */
  static isKnown(fileSystem: FileSystemName): boolean {
    spawnSync('modprobe', ['-q', fileSystem])
    return readFileSync('/proc/filesystems', 'utf8').split('\n').some(line => line.endsWith(`\t${fileSystem}`))
  }

  /** Power on: replays the file system's journal as a booting machine does, and mounts. */
  async up(): Promise<void> {
    this.#output = ''
    const server = spawn(PYTHON, [SERVER, this.#fuse, this.#image], { stdio: ['ignore', 'pipe', 'inherit'] })
    server.stdout.setEncoding('utf8').on('data', (text: string) => { this.#output += text })
    this.#server = server
    this.#exited = new Promise(resolve => server.once('close', () => resolve()))
    const until = performance.now() + UP_TIMEOUT_MS
    while (!existsSync(join(this.#fuse, 'disk.img'))) {
      if (performance.now() > until || server.exitCode !== null) throw new Error('the FUSE disk does not come up')
      await sleep(5)
    }
    this.#loop = run('losetup', '--find', '--show', join(this.#fuse, 'disk.img')).trim()
    const [checker = '', ...flags] = this.#check
    const check = spawnSync(checker, [...flags, this.#loop], { encoding: 'utf8' })
    // 1 means that something was put right, which after a cut is the journal.
    if (check.status !== 0 && check.status !== 1) throw new Error(`${checker}: ${check.status} ${check.stdout} ${check.stderr}`)
    run('mount', '-o', 'noatime', this.#loop, this.mount)
  }

  /** Power off, now. The file system stays mounted, and dead, until `down`. */
  cut(seed: number, keep: number): void {
    this.#command(`cut ${seed} ${keep}`)
  }

  /** Power off at the nth such moment from now. */
  arm(moment: CutMoment, count: number, seed: number, keep: number): void {
    this.#command(`arm ${moment} ${count} ${seed} ${keep}`)
  }

  /** No cut is due any more. False where there was one, and the file system is dead. */
  disarm(): boolean {
    return this.#command('disarm')
  }

  /** Takes commands (`powercut.py`), from other processes, too. */
  get control(): string {
    return join(this.#fuse, 'control')
  }

  /** From now on syncs or writes of the disk fail; `none` ends it. */
  fail(what: 'fsync' | 'write' | 'none'): void {
    this.#command(`fail ${what}`)
  }

  get isCut(): boolean {
    return this.#server === undefined || this.#server.exitCode !== null
  }

  /** Settles at the cut. */
  get gone(): Promise<void> {
    return this.#exited
  }

  counters(): Record<string, number> {
    return JSON.parse(readFileSync(this.control, 'utf8').trim()) as Record<string, number>
  }

  /** Takes the dead (or living) file system down. Processes that use it must have ended. */
  async down(): Promise<CutReport | undefined> {
    spawnSync('umount', [this.mount])
    if (this.#loop !== undefined) spawnSync('losetup', ['--detach', this.#loop])
    this.#loop = undefined
    spawnSync('fusermount3', ['-u', '-z', this.#fuse])
    await this.#exited
    const line = this.#output.trim()
    return line === '' ? undefined : JSON.parse(line) as CutReport
  }

  async dispose(): Promise<void> {
    await this.down()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  /** False where the power is gone: a cut takes the answer to its own command with it, any other command is lost only after one. */
  #command(words: string): boolean {
    try {
      writeFileSync(this.control, words)
      return true
    } catch {
      return false
    }
  }
}

function run(command = '', ...args: readonly string[]): string {
  const done = spawnSync(command, args, { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.stderr ?? done.error?.message}`)
  return done.stdout
}
