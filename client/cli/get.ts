/** `tally get`: brings files here, by id or by tags, under harmless names; continues what broke off and verifies every digest. */
import { mkdir, stat } from 'node:fs/promises'
import { TallyError } from '../../protocol/index.ts'
import type { FileId } from '../file-id.ts'
import type { GetTarget, Tally } from '../index.ts'
import { LocalNames } from '../safe-name.ts'
import { UsageError } from './arguments.ts'
import { type Command, type Context, RETRY_FLAG, connectAs } from './command.ts'
import { labelOf, parseId } from './ids.ts'
import { forEach } from './outcome.ts'
import { escaped } from './text.ts'

export const get: Command = {
  name: 'get',
  usage: 'ID… | --tag T',
  argument: 'id',
  summary: 'fetch files, each verified against its digest',
  examples: [
    ['tally get --tag holiday -o photos', 'fetch all files with a tag into a directory'],
    ['tally get sha256:… --stdout', 'write a file to standard output'],
  ],
  flags: [
    { name: 'output', short: 'o', value: 'PATH', help: 'a directory, or for a single file its path (default: the current directory)' },
    { name: 'tag', short: 't', value: 'T', repeatable: true, help: 'fetch the files that have this tag, instead of ID…' },
    { name: 'stdout', help: 'write to standard output' },
    { name: 'force', short: 'f', help: 'replace what is there' },
    RETRY_FLAG,
  ],
  resumes: true,
  async run(context) {
    const { given, output, signal } = context
    const ids = given.positionals.map(parseId)
    const tags = given.all('tag')
    if ((ids.length === 0) === (tags.length === 0)) throw new UsageError('get needs ID… or --tag, one of the two')
    const toFile = given.has('output') || given.has('force')
    if (given.has('stdout') && toFile) throw new UsageError('--stdout excludes --output, --force')
    await using tally = await connectAs(context)
    const perId = await Promise.all(ids.map(id => filesOf(tally, id, signal)))
    const files = tags.length > 0 ? await tagged(tally, tags, signal) : perId.flat()
    if (files.length === 0) throw new TallyError('not-found', 'no file has these tags')
    const target = await targetOf(context, files.length)
    return await forEach(context, files, id => ({ id: labelOf(id) }), async id => {
      output.next()
      const result = await tally.get(id, target, { signal, onEvent: event => output.event(labelOf(id), event) })
      if (given.has('stdout')) return
      const { fid, file, name, sizeBytes, digest, path = '', resumedBytes } = result
      output.result(`${escaped(path)}  ${digest}`, { fid, file, name, size: sizeBytes, digest, path, resumedBytes })
    })
  },
}

/** A fid alone means each of its stored files. */
async function filesOf(tally: Tally, id: FileId, signal: AbortSignal): Promise<readonly FileId[]> {
  if ('digest' in id || id.file !== undefined) return [id]
  const found: FileId[] = []
  const reports = await tally.report(id.fid, { signal })
  for (const [file, { state }] of reports.entries()) if (state === 'stored') found.push({ fid: id.fid, file })
  if (found.length === 0) throw new TallyError('not-found', 'no file of this transfer is stored yet')
  return found
}

/** Oldest first, so that names told apart stay the same when newer files come. */
async function tagged(tally: Tally, tags: readonly string[], signal: AbortSignal): Promise<readonly FileId[]> {
  const found: FileId[] = []
  for await (const { fid, file } of tally.find({ tags }, { signal })) found.push({ fid, file })
  return found.reverse()
}

async function targetOf({ given, output }: Context, files: number): Promise<GetTarget> {
  if (given.has('stdout')) return { write: bytes => output.bytes(bytes) }
  const force = given.has('force')
  const path = given.one('output')
  if (path === undefined) return { directory: '.', names: new LocalNames(), force }
  const isDirectory = path.endsWith('/') || await stat(path).then(found => found.isDirectory(), () => false)
  // What has a tag is a set, also when there is one of it: the same command means the same tomorrow.
  if (files === 1 && !given.has('tag') && !isDirectory) return { path, force }
  await mkdir(path, { recursive: true })
  return { directory: path, names: new LocalNames(), force }
}
