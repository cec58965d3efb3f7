/** `tally put`: stores files, each as a transfer of its own, so that the same command after a break goes on with what is missing. */
import { resolve } from 'node:path'
import { CHUNK_SIZE_BYTES_MAX } from '../../protocol/index.ts'
import type { Tally, UploadResult } from '../index.ts'
import { UsageError, sizeOf } from './arguments.ts'
import { type Command, type Context, RETRY_FLAG, connectAs } from './command.ts'
import { EXIT, type ExitCode, errorValue, exitCodeOf } from './exit.ts'
import { escaped } from './output.ts'

export const put: Command = {
  name: 'put',
  usage: 'FILE…',
  summary: 'store files; run again after a break, it continues',
  examples: [
    ['tally put *.jpg --tag holiday', 'store photos under a tag'],
    ['tar c dir | tally put - --name dir.tar', 'store what comes on standard input'],
  ],
  flags: [
    { name: 'tag', short: 't', value: 'T', repeatable: true, help: 'put this tag on each file' },
    { name: 'name', value: 'NAME', help: 'store a single file under this name' },
    { name: 'chunk-size', value: 'SIZE', help: 'bytes a chunk: 1 to 1M (default 64K)' },
    RETRY_FLAG,
  ],
  async run(context) {
    const { given, output, signal } = context
    const files = given.positionals
    if (files.length === 0) throw new UsageError('put needs at least one FILE')
    if (files.length > 1 && given.has('name')) throw new UsageError('--name is for a single FILE')
    const chunkSizeBytes = chunkSizeOf(given.one('chunk-size'))
    await using tally = await connectAs(context)
    let exit: ExitCode = EXIT.DONE
    for (const file of files) {
      try {
        const result = await putOne(context, tally, file, chunkSizeBytes)
        report(context, file, result)
      } catch (error) {
        if (signal.aborted) throw error
        const code = exitCodeOf(error)
        if (exit === EXIT.DONE) exit = code
        if (output.json) output.result('', { path: file, error: errorValue(error) })
        const again = code === EXIT.INCOMPLETE && file !== '-' ? '; run the same command again to continue' : ''
        output.say(`tally: ${escaped(file)}: ${escaped(errorValue(error).reason)}${again}`)
      }
    }
    return exit
  },
}

function putOne({ given, output, signal }: Context, tally: Tally, file: string, chunkSizeBytes: number | undefined): Promise<UploadResult> {
  const name = given.one('name') ?? (file === '-' ? 'stdin' : undefined)
  return tally.put(file === '-' ? process.stdin : resolve(file), {
    tags: given.all('tag'),
    signal,
    onEvent: event => output.event(file, event),
    ...(name === undefined ? {} : { name }),
    ...(chunkSizeBytes === undefined ? {} : { chunkSizeBytes }),
  })
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
