/** `tally put`: stores files, each as a transfer of its own, so that the same command after a break goes on with what is missing. */
import { CHUNK_SIZE_BYTES_MAX } from '../../protocol/index.ts'
import type { ClientEvent, PutAllItem, PutResult, Tally } from '../index.ts'
import { UsageError, secondsOf, sizeOf } from './arguments.ts'
import { type Command, type Context, RETRY_FLAG, connectAs } from './command.ts'
import type { ExitCode } from './exit.ts'
import { KeptPart } from './kept-part.ts'
import { Moving } from './moving.ts'
import { Outcome } from './outcome.ts'
import { styled } from './terminal.ts'
import { escaped, untilText } from './text.ts'
import { type Filter, filesBelow, filterOf } from './tree.ts'

const STDIN = '-'
const DIGEST_FIRST = ['auto', 'always', 'never'] as const

export const put: Command = {
  name: 'put',
  usage: 'FILE…',
  argument: 'path',
  summary: 'store files; run again after a break, it continues',
  examples: [
    ['tally put *.jpg --tag holiday', 'store photos under a tag'],
    ['tally put -r src --exclude node_modules', 'store a directory; files are named src/…, as get restores them'],
    ['tar c dir | tally put - --name dir.tar', 'store what comes on standard input'],
  ],
  flags: [
    { name: 'tag', short: 't', value: 'T', kind: 'tag', repeatable: true, help: 'put this tag on each file' },
    { name: 'name', value: 'NAME', help: 'store a single file under this name' },
    { name: 'recursive', short: 'r', help: 'store the files below directories; links and special files are skipped' },
    { name: 'include', value: 'GLOB', kind: 'glob', repeatable: true, help: 'with --recursive: only files that match: *.jpg, docs/**' },
    { name: 'exclude', value: 'GLOB', kind: 'glob', repeatable: true, help: 'with --recursive: neither files nor directories that match' },
    { name: 'chunk-size', value: 'SIZE', kind: 'size', help: 'bytes a chunk: 1 to 1M (default 256K)' },
    {
      name: 'digest-first', value: 'WHEN', kind: 'choice', choices: DIGEST_FIRST,
      help: 'hash before sending, so that known content is not sent: auto (default: where size and name are known), always, never',
    },
    { name: 'digest', value: 'DIGEST', help: 'what a single FILE has to have: sha256:… (it is refused where it has another)' },
    { name: 'expires', value: 'TIME', kind: 'time', help: 'remove the files so long from now, also those already there: 30m, 12h, 30d (without it these keep the time they have)' },
    RETRY_FLAG,
  ],
  resumes: true,
  outlivesReader: () => true,
  async run(context) {
    const { given } = context
    const files = given.positionals
    if (files.length === 0) throw new UsageError('put needs at least one FILE')
    const recursive = given.has('recursive')
    for (const flag of ['name', 'digest']) {
      if (given.has(flag) && (files.length > 1 || recursive)) throw new UsageError(`--${flag} is for a single FILE`)
    }
    if (!recursive && (given.has('include') || given.has('exclude'))) throw new UsageError('--include and --exclude need --recursive')
    if (files.filter(file => file === STDIN).length > 1) throw new UsageError('- is given twice')
    const chunkSizeBytes = chunkSizeOf(given.one('chunk-size'))
    const expiresMs = expiryOf(given.one('expires'))
    const digest = digestOf(given.one('digest'))
    const digestFirst = given.one('digest-first') ?? 'auto'
    const filter = await filterOf(given.all('include'), given.all('exclude'))
    await using tally = await connectAs(context)
    const options = {
      ...(chunkSizeBytes === undefined ? {} : { chunkSizeBytes }),
      ...(expiresMs === undefined ? {} : { expiresMs }),
      ...(digestFirst === 'auto' ? {} : { digestFirst: digestFirst === 'always' }),
    }
    return await new Put(context, tally, { recursive, filter }, options, digest === undefined ? {} : { digest }).run(files)
  },
}

interface Given {
  readonly chunkSizeBytes?: number
  readonly expiresMs?: number
  readonly digestFirst?: boolean
}

class Put {
  readonly #context: Context
  readonly #tally: Tally
  readonly #chosen: { readonly recursive: boolean; readonly filter: Filter }
  /** Said of a single file. */
  readonly #only: Pick<PutAllItem, 'digest'>
  readonly #outcome: Outcome
  readonly #options: Given & { readonly tags: readonly string[]; readonly signal: AbortSignal }

  constructor(
    context: Context, tally: Tally, chosen: { recursive: boolean; filter: Filter }, options: Given, only: Pick<PutAllItem, 'digest'>,
  ) {
    this.#context = context
    this.#tally = tally
    this.#chosen = chosen
    this.#only = only
    this.#outcome = new Outcome(context)
    this.#options = { ...options, tags: context.given.all('tag'), signal: context.signal }
  }

  async run(files: readonly string[]): Promise<ExitCode> {
    if (files.includes(STDIN)) await this.#standardInput()
    const paths = files.filter(file => file !== STDIN)
    const [only] = paths.length === 1 && !this.#chosen.recursive ? paths : []
    const moving = new Moving(this.#context.output, only, this.#measured(paths))
    const results = this.#tally.putAll(this.#items(paths), { ...this.#options, onEvent: event => moving.event(event) })
    for await (const result of results) {
      moving.done()
      if ('fid' in result) this.#report(result.path, result)
      else this.#outcome.failed({ path: result.path }, result.error)
    }
    return this.#outcome.exit
  }

  async #standardInput(): Promise<void> {
    const { given, output, signal } = this.#context
    const kept = new KeptPart()
    const onEvent = (event: ClientEvent): void => {
      kept.event(event)
      output.event(STDIN, event)
    }
    const named = given.one('name')
    const name = named ?? 'stdin'
    try {
      this.#report(STDIN, await this.#tally.put(process.stdin, { ...this.#options, ...this.#only, onEvent, name }))
    } catch (error) {
      const about = kept.after(error)
      if (signal.aborted) output.say(`tally: ${STDIN}: ${about.text}`)
      this.#outcome.failed({ path: STDIN, ...(named === undefined ? {} : { name }) }, error, about)
    }
  }

  /** What is to be stored; what is not, is told on the way. */
  async *#items(paths: readonly string[]): AsyncGenerator<PutAllItem> {
    const { given, output } = this.#context
    for await (const found of filesBelow(paths, this.#chosen)) {
      if ('skipped' in found) {
        if (output.json) output.result('', found)
        output.say(`tally: ${escaped(found.path)}: skipped, a ${found.skipped}`)
      } else if ('error' in found) this.#outcome.failed({ path: found.path }, found.error)
      else yield { path: found.path, name: given.one('name') ?? found.name, ...this.#only }
    }
  }

  /** The same files once more, only to be counted. */
  async *#measured(paths: readonly string[]): AsyncGenerator<number> {
    for await (const found of filesBelow(paths, this.#chosen)) {
      if (this.#options.signal.aborted) return
      if ('sizeBytes' in found) yield found.sizeBytes
    }
  }

  #report(path: string, { fid, file, name, sizeBytes, digest, sentBytes, expiresMs, counts }: Omit<PutResult, 'files'>): void {
    const { output } = this.#context
    const notes = [
      ...(sizeBytes > 0 && sentBytes === 0 ? ['already there'] : []),
      ...(expiresMs === undefined ? [] : [`expires ${untilText(expiresMs, Date.now())}`]),
    ]
    const note = notes.length === 0 ? '' : styled(output.results, 'dim', `  (${notes.join(', ')})`)
    output.result(`${fid}/${file}  ${digest}  ${escaped(name)}${note}`, {
      fid, file, name, size: sizeBytes, digest, path, sentBytes, expires: expiresMs, ...counts,
    })
  }
}

/** Throws UsageError. */
function digestOf(text: string | undefined): string | undefined {
  if (text === undefined || /^sha256:[0-9a-f]{64}$/i.test(text)) return text
  throw new UsageError(`--digest is sha256: and 64 hex digits, not ${JSON.stringify(text)}`)
}

function chunkSizeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const bytes = sizeOf('chunk-size', text)
  if (bytes < 1 || bytes > CHUNK_SIZE_BYTES_MAX) throw new UsageError(`--chunk-size is 1 to ${CHUNK_SIZE_BYTES_MAX} bytes`)
  return bytes
}

function expiryOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = secondsOf('expires', text)
  if (seconds === 0) throw new UsageError('--expires is a time above 0')
  return Date.now() + 1000 * seconds
}
