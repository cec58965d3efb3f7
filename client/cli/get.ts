/** `tally get`: brings files here, by id or by tags, under harmless names; continues what broke off and verifies every digest. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { TallyError } from '../../protocol/index.ts'
import type { FileId } from '../file-id.ts'
import type { DownloadResult, FoundFile, GetAllTarget, GetTarget, Tally } from '../index.ts'
import { UsageError } from './arguments.ts'
import { type Command, type Context, RETRY_FLAG, connectAs } from './command.ts'
import type { ExitCode } from './exit.ts'
import { labelOf, parseId, subjectOf } from './ids.ts'
import { Moving } from './moving.ts'
import { Outcome, forEach } from './outcome.ts'
import { QUERY_FLAGS, hasQuery, queryOf } from './query.ts'
import { Restore } from './restore.ts'
import { escaped } from './text.ts'

export const get: Command = {
  name: 'get',
  usage: 'ID… | --tag T',
  argument: 'id',
  summary: 'fetch files, each verified against its digest',
  examples: [
    ['tally get --tag holiday -o photos', 'fetch all files with a tag into a directory'],
    ['tally get sha256:… --stdout', 'write a file to standard output'],
    ['tally get --name \'src/*\' -o back', 'names with / become directories below the target'],
  ],
  flags: [
    { name: 'output', short: 'o', value: 'PATH', kind: 'path', help: 'a directory, or the file of a single ID (default: here)' },
    ...QUERY_FLAGS,
    { name: 'stdout', help: 'write to standard output' },
    { name: 'force', short: 'f', help: 'replace what is there (a file of the same content is left as it is, without it too)' },
    RETRY_FLAG,
  ],
  resumes: true,
  outlivesReader: given => !given.has('stdout'),
  async run(context) {
    const { given } = context
    const ids = given.positionals.map(parseId)
    if ((ids.length > 0) === hasQuery(given)) throw new UsageError('get needs either ID… or a query (--tag, --any, --not, --name)')
    if (given.one('output') === '-') throw new UsageError('-o - would be a file of this name (-o ./-): standard output is --stdout')
    const toFile = given.has('output') || given.has('force')
    if (given.has('stdout') && toFile) throw new UsageError('--stdout excludes --output, --force')
    if (given.has('stdout') && given.has('json')) throw new UsageError('--stdout excludes --json: both write there')
    await using tally = await connectAs(context, ['find', 'get'])
    return await (ids.length > 0 ? getEach(context, tally, ids) : getFound(context, tally))
  },
}

/** One after the other: who comes first has its name for itself, the same in each run. */
async function getEach(context: Context, tally: Tally, given: readonly FileId[]): Promise<ExitCode> {
  const { output, signal } = context
  const outcome = new Outcome(context)
  const ids: FileId[] = []
  for (const id of given) {
    try {
      ids.push(...await filesOf(tally, id, signal))
    } catch (error) {
      outcome.failed({ id: labelOf(id) }, error)
    }
  }
  if (ids.length === 0) return outcome.exit
  const target = await targetOf(context, ids.length)
  const exit = await forEach(context, ids, id => ({ id: labelOf(id) }), async id => {
    output.next()
    report(context, await tally.get(id, target, { signal, onEvent: event => output.event(labelOf(id), event) }))
  })
  return outcome.exit === 0 ? exit : outcome.exit
}

/** Several at a time, but for standard output; oldest first, so that names told apart stay the same when newer files come. */
async function getFound(context: Context, tally: Tally): Promise<ExitCode> {
  const { given, output, signal } = context
  const found: FoundFile[] = []
  for await (const file of tally.find(queryOf(given), { signal })) found.push(file)
  if (found.length === 0) throw new TallyError('not-found', 'no file matches')
  found.reverse()
  if (given.has('stdout')) return getEach(context, tally, found.map(({ fid, file }) => ({ fid, file })))
  const restore = await restoreOf(given.one('output'))
  // Before the first is fetched: which one ends first must not decide which one has the plain name.
  for (const file of found) restore.place(file.name, file)
  const target: GetAllTarget = { pathOf: info => restore.pathOf(info), force: given.has('force') }
  const moving = new Moving(output, undefined, found.map(({ sizeBytes }) => sizeBytes ?? 0))
  const outcome = new Outcome(context)
  for await (const result of tally.getAll(found, target, { signal, onEvent: event => moving.event(event) })) {
    moving.done()
    if ('fid' in result) report(context, result)
    else outcome.failed(subjectOf(result.id), result.error)
  }
  return outcome.exit
}

function report({ given, output }: Context, { fid, file, name, sizeBytes, digest, path = '', resumedBytes }: DownloadResult): void {
  if (given.has('stdout')) return
  output.result(`${escaped(path)}  ${digest}`, { fid, file, name, size: sizeBytes, digest, path, resumedBytes })
}

/** A fid alone means each of its stored files; of one whose content is damaged the failure is told, not that it is not there. */
async function filesOf(tally: Tally, id: FileId, signal: AbortSignal): Promise<readonly FileId[]> {
  if ('digest' in id || id.file !== undefined) return [id]
  const found: FileId[] = []
  const reports = await tally.report(id.fid, { signal })
  for (const [file, { state, digest }] of reports.entries()) {
    // A report asks for the chunks of damaged blocks as it does for those that never came.
    const isSuspect = state === 'receiving' && digest !== undefined
    if (state === 'stored' || isSuspect && await isDamaged(tally, { fid: id.fid, file }, signal)) found.push({ fid: id.fid, file })
  }
  if (found.length === 0) throw new TallyError('not-found', 'no file of this transfer is stored yet')
  return found
}

/** Whether damage of a stored file is known: then a fetch of no bytes is refused, too. */
export async function isDamaged(tally: Tally, id: FileId, signal: AbortSignal): Promise<boolean> {
  try {
    await tally.get(id, { write: () => undefined }, { lengthBytes: 0, signal })
    return false
  } catch (error) {
    return error instanceof TallyError && error.code === 'content-damaged'
  }
}

async function targetOf({ given, output, signal }: Context, files: number): Promise<GetTarget> {
  if (given.has('stdout')) return { write: bytes => output.bytes(bytes, signal) }
  const force = given.has('force')
  const path = given.one('output')
  const isDirectory = path === undefined || path.endsWith('/') || await stat(path).then(found => found.isDirectory(), () => false)
  if (files === 1 && !isDirectory) {
    // Else what is told to be missing is a name of ours.
    await stat(dirname(path))
    return { path, force }
  }
  const restore = await restoreOf(path)
  return { pathOf: info => restore.pathOf(info), force }
}

/** What has a tag is a set, also when there is one of it: it goes into a directory, which is made where it is not there. */
async function restoreOf(path = '.'): Promise<Restore> {
  await mkdir(path, { recursive: true })
  return new Restore(path)
}
