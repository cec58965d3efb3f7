/**
 * A machine that systemd has booted, for tests of the units: systemd as process 1 of namespaces of its own, over a copy-on-write view of
 * this machine's files, with this repository installed for everybody. Needs root; nothing of it is left behind.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const REPOSITORY = join(import.meta.dirname, '../..')
const BOOT = join(import.meta.dirname, 'machine.sh')
const BOOT_MS_MAX = 20_000
const PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'

export interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export class Machine {
  readonly #directory = mkdtempSync(join(tmpdir(), 'tally-machine-'))
  readonly #groups: readonly string[]
  #boot: ChildProcess | undefined
  #said = ''
  /** Process 1 of the machine, as we see it. */
  #pid = 0

  constructor() {
    this.#groups = hierarchies().map(mount => join(mount, basename(this.#directory)))
  }

  /** Boots. Throws, with what was said, where this machine does not allow it. */
  async boot(): Promise<void> {
    for (const group of this.#groups) mkdirSync(group)
    const enter = this.#groups.map(group => `echo $$ > ${group}/cgroup.procs`).join(' && ')
    const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--uts', '--ipc', '--net', '--cgroup']
    const script = `${enter} && exec unshare ${namespaces.join(' ')} /bin/sh "$@"`
    const args = ['-c', script, 'sh', BOOT, this.#directory, REPOSITORY, process.execPath]
    const boot = spawn('/bin/sh', args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH } })
    this.#boot = boot
    for (const stream of [boot.stdout, boot.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => { this.#said += text })
    for (const untilMs = Date.now() + BOOT_MS_MAX; ;) {
      if (boot.exitCode !== null || Date.now() > untilMs) {
        throw new Error(`systemd could not be booted: ${this.#said.trim() || 'it took too long'}`)
      }
      this.#pid = childOf(boot.pid)
      if (this.#pid !== 0 && existsSync(this.at('/run/systemd/private')) && this.run('systemctl', 'is-active', 'ours.target').status === 0) {
        return
      }
      await sleep(20)
    }
  }

  /** Runs a command inside, as root. */
  run(command: string, ...args: readonly string[]): Ran {
    const inside = ['--target', String(this.#pid), '--mount', '--pid', '--uts', '--ipc', '--net', '--cgroup', '--root', '--wd']
    const environment = ['env', '-i', `PATH=${PATH}`, 'HOME=/root', 'LC_ALL=C.UTF-8']
    return spawnSync('nsenter', [...inside, ...environment, command, ...args], { encoding: 'utf8' })
  }

  /** Runs a shell's script inside, as root. */
  sh(script: string): Ran {
    return this.run('/bin/sh', '-c', script)
  }

  /** Runs a shell's line inside, as a user, in the user's home, with these variables (`NAME=value`) set. */
  as(user: string, line: string, variables: readonly string[]): Ran {
    return this.run('runuser', '-u', user, '--', 'env', `HOME=/home/${user}`, ...variables, 'sh', '-c', `cd && ${line}`)
  }

  /** A file inside, at its place in our own view. */
  at(path: string): string {
    return `/proc/${this.#pid}/root${path}`
  }

  /** What the kernel says of a process inside. */
  proc(pid: string, file: string): string {
    return readFileSync(this.at(`/proc/${pid}/${file}`), 'utf8')
  }

  write(path: string, text: string): void {
    appendFileSync(this.at(path), text)
  }

  /** Kills everything inside; its files go with it. */
  async dispose(): Promise<void> {
    if (this.#boot?.exitCode === null) {
      const ended = new Promise(resolve => this.#boot?.once('exit', resolve))
      if (this.#pid !== 0) process.kill(this.#pid, 'SIGKILL')
      this.#boot.kill('SIGKILL')
      await ended
    }
    for (const group of this.#groups) await removeGroup(group)
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** Where systemd keeps its control groups: one tree, or two on a machine of the older kind. */
function hierarchies(): readonly string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return lines.filter(line => / - cgroup2 | - cgroup \S+ \S*name=systemd/.test(line)).map(line => line.split(' ')[4] ?? '')
}

function childOf(pid: number | undefined): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0] ?? 0)
}

/** From the leaves up. The kernel takes a moment to see that the processes are gone. */
async function removeGroup(group: string): Promise<void> {
  if (!existsSync(group)) return
  for (const entry of readdirSync(group, { withFileTypes: true })) if (entry.isDirectory()) await removeGroup(join(group, entry.name))
  for (let tries = 0; existsSync(group); tries++) {
    try {
      rmdirSync(group)
    } catch (error) {
      if (tries > 100) throw error
      await sleep(20)
    }
  }
}
