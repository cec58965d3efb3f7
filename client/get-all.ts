/** Many files out of the store, several at a time. */
import type { FoundFile } from '../protocol/index.ts'
import { anyOf } from './abort.ts'
import { AllProgress } from './all-progress.ts'
import { Download } from './download.ts'
import { asError } from './errors.ts'
import type { FileId } from './file-id.ts'
import { FileSink } from './file-sink.ts'
import { FileThread } from './file-thread.ts'
import { inFlight } from './in-flight.ts'
import type { Link } from './link.ts'
import type { GetAllOptions, GetAllResult, GetAllTarget } from './options.ts'
import { LocalNames } from './safe-name.ts'

/** More than are fetched at once: the others are being written. */
const IN_FLIGHT_MAX = 48

/** See `Tally.getAll`. */
export async function* getAll(
  link: Link, files: Iterable<FoundFile | FileId> | AsyncIterable<FoundFile | FileId>, target: GetAllTarget,
  { signal, onEvent }: GetAllOptions,
): AsyncGenerator<GetAllResult, void, void> {
  // One memory of names for all of them: equal names in one directory are told apart.
  const names = 'directory' in target ? target.names ?? new LocalNames() : undefined
  const named: GetAllTarget = { sync: false, ...target, ...(names === undefined ? {} : { names }) }
  const progress = new AllProgress(onEvent)
  const thread = new FileThread()
  try {
    yield* inFlight(files, IN_FLIGHT_MAX, async (id, ending): Promise<GetAllResult> => {
      // Which one comes first must not decide which one has the plain name.
      if ('name' in id) names?.take(id.name, `${id.fid}/${id.file}`)
      try {
        const sink = new FileSink(named, thread)
        const result = await new Download(link, { id: idOf(id), sink, onEvent: progress.listener(), signal: anyOf(ending, signal) }).run()
        return { id, ...result, path: result.path ?? '' }
      } catch (error) {
        signal?.throwIfAborted()
        return { id, error: asError(error) }
      }
    })
  } finally {
    await thread.close()
  }
}

function idOf(file: FoundFile | FileId): FileId {
  if (!('fid' in file)) return file
  return file.file === undefined ? { fid: file.fid } : { fid: file.fid, file: file.file }
}
