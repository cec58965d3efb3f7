/**
 * A file system with an end: ext4 on a loop device of some MB, of which the last block can be used.
 */
import { spawnSync } from 'node:child_process'
import {
  closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, truncateSync, writeFileSync, writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export class SmallDisk {
  readonly mount: string
  readonly #directory = mkdtempSync(join(tmpdir(), 'tally-small-'))

  constructor(sizeBytes: number) {
    this.mount = join(this.#directory, 'mnt')
    const image = join(this.#directory, 'image')
    mkdirSync(this.mount)
    writeFileSync(image, '')
    truncateSync(image, sizeBytes)
    run('mkfs.ext4', '-q', '-F', '-m', '0', image)
    run('mount', '-o', 'loop', image, this.mount)
  }

  static obstacle(): string | undefined {
    if (process.getuid?.() !== 0) return 'needs root'
    return existsSync('/dev/loop-control') ? undefined : 'needs loop devices'
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.mount)
    return bavail * bsize
  }

  /** Takes room away, leaving about so much. Gives a function that gives it back. */
  fillUntil(freeBytes: number): () => void {
    const path = join(this.mount, 'filler')
    const file = openSync(path, 'w')
    const block = Buffer.alloc(65_536)
    for (let left = this.freeBytes - freeBytes; left >= block.length; left -= block.length) writeSync(file, block)
    closeSync(file)
    return () => rmSync(path)
  }

  dispose(): void {
    spawnSync('umount', [this.mount])
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

function run(command: string, ...args: string[]): void {
  const done = spawnSync(command, args, { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.stderr ?? done.error?.message}`)
}
