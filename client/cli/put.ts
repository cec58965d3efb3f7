/** `tally put`: stores files, each as a transfer of its own, so that the same command after a break goes on with what is missing. */
import { CHUNK_SIZE_BYTES_MAX } from '../../protocol/index.ts'
import type { Tally, UploadResult } from '../index.ts'
import { UsageError, sizeOf } from './arguments.ts'
import { type Command, type Context, RETRY_FLAG, connectAs } from './command.ts'
import { Outcome } from './outcome.ts'
import { escaped } from './text.ts'
import { filesBelow, filterOf } from './tree.ts'

const STDIN = '-'

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
    { name: 'chunk-size', value: 'SIZE', kind: 'size', help: 'bytes a chunk: 1 to 1M (default 64K)' },
    RETRY_FLAG,
  ],
  resumes: true,
  async run(context) {
    const { given, output } = context
    const files = given.positionals
    if (files.length === 0) throw new UsageError('put needs at least one FILE')
    const recursive = given.has('recursive')
    if (given.has('name') && (files.length > 1 || recursive)) throw new UsageError('--name is for a single FILE')
    if (!recursive && (given.has('include') || given.has('exclude'))) throw new UsageError('--include and --exclude need --recursive')
    const chunkSizeBytes = chunkSizeOf(given.one('chunk-size'))
    const filter = await filterOf(given.all('include'), given.all('exclude'))
    await using tally = await connectAs(context)
    const outcome = new Outcome(context)
    for (const file of files) {
      if (file === STDIN) {
        await putOne(context, tally, outcome, { content: process.stdin, shown: STDIN, name: 'stdin' }, chunkSizeBytes)
        continue
      }
      for await (const found of filesBelow([file], { recursive, filter })) {
        if ('skipped' in found) {
          if (output.json) output.result('', { path: found.shown, skipped: found.skipped })
          output.say(`tally: ${escaped(found.shown)}: skipped, a ${found.skipped}`)
        } else if ('error' in found) outcome.failed({ path: found.shown }, found.error)
        else await putOne(context, tally, outcome, { content: found.path, shown: found.shown, name: found.name }, chunkSizeBytes)
      }
    }
    return outcome.exit
  },
}

interface Content {
  readonly content: string | AsyncIterable<Uint8Array>
  readonly shown: string
  readonly name: string
}

async function putOne(
  context: Context, tally: Tally, outcome: Outcome, { content, shown, name }: Content, chunkSizeBytes: number | undefined,
): Promise<void> {
  const { given, output, signal } = context
  try {
    output.next()
    const result = await tally.put(content, {
      name: given.one('name') ?? name,
      tags: given.all('tag'),
      signal,
      onEvent: event => output.event(shown, event),
      ...(chunkSizeBytes === undefined ? {} : { chunkSizeBytes }),
    })
    report(context, shown, result)
  } catch (error) {
    outcome.failed({ path: shown }, error)
  }
}

function report({ output }: Context, path: string, { fid, files, counts }: UploadResult): void {
  for (const [file, { name, sizeBytes, digest }] of files.entries()) {
    output.result(`${fid}/${file}  ${digest}  ${escaped(name)}`, { fid, file, name, size: sizeBytes, digest, path, ...counts })
  }
}

function chunkSizeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const bytes = sizeOf('chunk-size', text)
  if (bytes < 1 || bytes > CHUNK_SIZE_BYTES_MAX) throw new UsageError(`--chunk-size is 1 to ${CHUNK_SIZE_BYTES_MAX} bytes`)
  return bytes
}
