/**
 * `tally demo`: the main job on a real file, with everything that can break on the way breaking, told step by step. It succeeds only if
 * each of its claims held.
 */
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, statSync } from 'node:fs'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { type ClientEvent, type FoundFile, type Tally, type UploadCounts, type UploadResult, connect } from '../index.ts'
import { UsageError } from './arguments.ts'
import type { Command, Context } from './command.ts'
import { DemoDaemon, DemoWire } from './demo-parts.ts'
import { EXIT } from './exit.ts'
import { countText, escaped, sizeText } from './text.ts'
import { packageRoot } from './places.ts'

/** Of a file that is large enough; a smaller one has at least CHUNKS_MIN. */
const CHUNK_SIZE_BYTES_MAX = 1024
const CHUNKS_MIN = 100
const TAG = 'demo'
/** Where on the way the wire is cut and the daemon killed, as parts of the file. */
const CUT_AT = 0.3
const KILL_AT = 0.6
const ENOUGH_BYTES = 2_000_000
/** So many times at least the client has to wait for answers: each is a point where something can break. */
const WINDOWS = 25
/** Files of some MB that an installed project has; the Node program itself is on every machine. */
const FILES = ['node_modules/tshy/node_modules/typescript/lib/typescript.js', 'node_modules/typescript/lib/typescript.js']

export const demo: Command = {
  name: 'demo',
  usage: '[FILE]',
  argument: 'path',
  summary: 'put a real file, break connection and daemon on the way, fetch it, and compare',
  examples: [
    ['tally demo', 'see it with one of the project\'s own files, beside a daemon and a store of its own'],
    ['tally demo ~/Videos/cat.mp4', 'see it with a file of yours'],
  ],
  flags: [],
  async run(context) {
    if (context.given.positionals.length > 1) throw new UsageError('demo takes one FILE')
    const path = resolve(context.given.positionals[0] ?? ownFile())
    const directory = await mkdtemp(join(tmpdir(), 'tally-demo-'))
    chmodSync(directory, 0o700)
    const story = new Story(context, directory, path)
    try {
      return await story.tell() ? EXIT.DONE : EXIT.FAILED
    } finally {
      await story.end()
      await rm(directory, { recursive: true, force: true })
    }
  },
}

type Figure = 'acknowledgedBeforeCut' | 'acknowledgedBeforeKill' | 'restartMs' | 'putMs' | 'getMs' | 'digest' | keyof UploadCounts

class Story {
  readonly #context: Context
  readonly #directory: string
  readonly #path: string
  readonly #daemon: DemoDaemon
  readonly #wire: DemoWire
  readonly #beganMs = performance.now()
  readonly #claims: { claim: string; holds: boolean }[] = []
  readonly #figures: Partial<Record<Figure, string | number>> = {}
  #tally: Tally | undefined
  #broken: Promise<void> = Promise.resolve()
  #retries = 0
  #chunkSizeBytes = CHUNK_SIZE_BYTES_MAX

  constructor(context: Context, directory: string, path: string) {
    this.#context = context
    this.#directory = directory
    this.#path = path
    this.#daemon = new DemoDaemon(join(directory, 'tally.sock'), join(directory, 'store'), join(directory, 'secret'))
    this.#wire = new DemoWire(join(directory, 'wire.sock'), this.#daemon.socket)
  }

  /** Answers whether every claim held. */
  async tell(): Promise<boolean> {
    const { size } = statSync(this.#path)
    // A smaller one is over before anything can break.
    if (size < CHUNKS_MIN) throw new UsageError(`demo needs a file of at least ${sizeText(CHUNKS_MIN)}`)
    this.#chunkSizeBytes = Math.min(CHUNK_SIZE_BYTES_MAX, Math.floor(size / CHUNKS_MIN))
    const chunks = Math.ceil(size / this.#chunkSizeBytes)
    await writeFile(join(this.#directory, 'secret'), randomBytes(32).toString('hex'), { mode: 0o600 })
    await this.#daemon.start()
    await this.#wire.open()
    this.#say(`tallyd runs (pid ${this.#daemon.pid}), with a store of its own and durability "power"`)
    const parts = `${countText(chunks, 'chunk')} of ${countText(this.#chunkSizeBytes, 'byte')}`
    this.#say(`putting ${escaped(this.#path)}, ${sizeText(size)}, in ${parts}, with the tag "${TAG}"`)
    const tally = await connect({ socket: this.#wire.path, secretFile: join(this.#directory, 'secret') })
    this.#tally = tally
    const beganMs = performance.now()
    const put = await tally.put(this.#path, {
      tags: [TAG],
      chunkSizeBytes: this.#chunkSizeBytes,
      windowChunks: Math.ceil(chunks / WINDOWS),
      signal: this.#context.signal,
      onEvent: event => this.#breakOnTheWay(event),
    })
    await this.#broken
    const putMs = performance.now() - beganMs
    this.#sum(put, chunks, putMs)
    await this.#findAndFetch(tally, put, size)
    const holds = this.#claims.every(({ holds }) => holds)
    this.#say(holds ? 'everything held' : 'NOT everything held')
    if (this.#context.output.json) {
      this.#context.output.result('', { file: this.#path, size, chunks, ...this.#figures, claims: this.#claims, ok: holds })
    }
    return holds
  }

  async end(): Promise<void> {
    this.#tally?.close()
    this.#wire.close()
    await this.#broken.catch(() => {})
    await this.#daemon.stop()
  }

  /** Called for whatever the upload tells; breaks the wire first, then the daemon, each once. */
  #breakOnTheWay(event: ClientEvent): void {
    if (event.type === 'retry') this.#retries++
    if (event.type !== 'progress' || event.totalBytes === null) return
    const part = event.acknowledgedBytes / event.totalBytes
    const acknowledged = Math.ceil(event.acknowledgedBytes / this.#chunkSizeBytes)
    if (part >= CUT_AT && this.#figures.acknowledgedBeforeCut === undefined) {
      this.#figures.acknowledgedBeforeCut = acknowledged
      this.#wire.cut()
      this.#say(`the connection is cut, after ${acknowledged} chunks were acknowledged`)
    } else if (part >= KILL_AT && this.#figures.acknowledgedBeforeKill === undefined) {
      this.#figures.acknowledgedBeforeKill = acknowledged
      this.#say(`tallyd is killed (kill -9), after ${acknowledged} chunks were acknowledged`)
      this.#broken = this.#killAndRestart()
    }
  }

  async #killAndRestart(): Promise<void> {
    const beganMs = performance.now()
    await this.#daemon.kill()
    await this.#daemon.start()
    this.#figures.restartMs = rounded(performance.now() - beganMs)
    this.#say(`tallyd runs again (pid ${this.#daemon.pid}), ${this.#figures.restartMs} ms later`)
  }

  #sum({ counts }: UploadResult, chunks: number, putMs: number): void {
    const { acknowledgedBeforeKill = chunks } = this.#figures
    const { chunksSent, chunksSentTwice, acknowledgedSentAgain, acknowledgedLost, reconnects } = counts
    Object.assign(this.#figures, {
      chunksSent, chunksSentTwice, acknowledgedSentAgain, acknowledgedLost, reconnects, putMs: rounded(putMs),
    })
    const efforts = `${countText(reconnects, 'new connection')} and ${countText(this.#retries, 'retry', 'retries')}`
    this.#say(`stored after ${rounded(putMs)} ms, with ${efforts}`)
    this.#say(`    ${chunks} chunks in all, ${chunksSent} sent`)
    this.#say(`    ${acknowledgedBeforeKill} acknowledged before the kill, ${acknowledgedLost} of them lost`)
    this.#say(`    ${chunksSentTwice} sent twice (they were on their way when something broke)`)
    this.#say(`    ${acknowledgedSentAgain} acknowledged ones sent again`)
    this.#claim('the connection was cut on the way', this.#figures.acknowledgedBeforeCut !== undefined)
    const killed = this.#figures.restartMs !== undefined && Number(acknowledgedBeforeKill) < chunks
    this.#claim('the daemon was killed on the way', killed)
    this.#claim('the client connected anew', reconnects > 0)
    this.#claim('no acknowledged chunk was lost', acknowledgedLost === 0)
    this.#claim('no acknowledged chunk was sent again', acknowledgedSentAgain === 0)
    this.#claim('only what was missing was sent', chunksSent === chunks + chunksSentTwice)
  }

  async #findAndFetch(tally: Tally, { fid, files: [stored] }: UploadResult, size: number): Promise<void> {
    const found: FoundFile[] = []
    for await (const file of tally.find({ tags: [TAG] })) found.push(file)
    const [first] = found
    this.#say(`found by tag "${TAG}": ${first === undefined ? 'nothing' : `${escaped(first.name)}, ${first.fid}/${first.file}`}`)
    this.#claim('it is found by its tag', found.length === 1 && first?.fid === fid && first.name === basename(this.#path))
    const target = join(this.#directory, 'fetched')
    const beganMs = performance.now()
    const fetched = await tally.get({ fid, file: 0 }, { path: target }, { signal: this.#context.signal })
    this.#figures.getMs = rounded(performance.now() - beganMs)
    const { equal, digest } = await compare(this.#path, target)
    this.#say(`fetched ${sizeText(size)} in ${this.#figures.getMs} ms: ${equal ? 'equal, byte for byte' : 'DIFFERENT'}; ${digest}`)
    this.#figures.digest = digest
    this.#claim('what was fetched is what was put, byte for byte', equal)
    this.#claim('all digests agree', digest === stored?.digest && digest === fetched.digest)
  }

  #claim(claim: string, holds: boolean): void {
    this.#claims.push({ claim, holds })
    if (!holds) this.#say(`FAILED: ${claim}`)
  }

  #say(text: string): void {
    const { output } = this.#context
    const line = `${((performance.now() - this.#beganMs) / 1000).toFixed(2).padStart(6)} s  ${text}`
    if (!output.json) output.result(line, {})
    else if (process.stderr.isTTY) output.say(line)
  }
}

function ownFile(): string {
  const own = FILES.map(path => join(packageRoot(), path)).find(path => existsSync(path) && statSync(path).size >= ENOUGH_BYTES)
  return own ?? process.execPath
}

/** Compares two files byte for byte, and hashes the first. */
async function compare(one: string, other: string): Promise<{ equal: boolean; digest: string }> {
  const hash = createHash('sha256')
  const files = await Promise.all([open(one), open(other)])
  const blocks = files.map(() => Buffer.alloc(1_048_576))
  let equal = true
  try {
    for (let at = 0; ;) {
      const [a, b] = await Promise.all(files.map(async (file, index) => {
        const { bytesRead, buffer } = await file.read(blocks[index] as Buffer, 0, 1_048_576, at)
        return buffer.subarray(0, bytesRead)
      })) as [Buffer, Buffer]
      equal &&= a.equals(b)
      if (a.length === 0 || !equal) break
      hash.update(a)
      at += a.length
    }
  } finally {
    for (const file of files) await file.close()
  }
  return { equal, digest: `sha256:${hash.digest('hex')}` }
}

function rounded(ms: number): number {
  return Math.round(ms)
}
