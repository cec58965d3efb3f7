/** Many files out of the store, several at a time. */
import type { FoundFile } from '../protocol/index.ts'
import { anyOf } from './abort.ts'
import { AllProgress } from './all-progress.ts'
import { asError } from './errors.ts'
import type { FileId } from './file-id.ts'
import { inFlight } from './in-flight.ts'
import type { GetAllOptions, GetAllResult, GetAllTarget } from './options.ts'
import { LocalNames } from './safe-name.ts'
import type { Tally } from './tally.ts'

/** More than are fetched at once: the others are being written. */
const IN_FLIGHT_MAX = 48

/** See `Tally.getAll`. */
export async function* getAll(
  tally: Tally, files: Iterable<FoundFile | FileId> | AsyncIterable<FoundFile | FileId>, target: GetAllTarget,
  { signal, onEvent }: GetAllOptions,
): AsyncGenerator<GetAllResult, void, void> {
  // One memory of names for all of them: equal names in one directory are told apart.
  const names = 'directory' in target ? target.names ?? new LocalNames() : undefined
  const named: GetAllTarget = { sync: false, ...target, ...(names === undefined ? {} : { names }) }
  const progress = new AllProgress(onEvent)
  yield* inFlight(files, IN_FLIGHT_MAX, async (id, ending): Promise<GetAllResult> => {
    // Which one comes first must not decide which one has the plain name.
    if ('name' in id) names?.take(id.name, `${id.fid}/${id.file}`)
    try {
      const result = await tally.get(idOf(id), named, { onEvent: progress.listener(), signal: anyOf(ending, signal) })
      return { id, ...result, path: result.path ?? '' }
    } catch (error) {
      signal?.throwIfAborted()
      return { id, error: asError(error) }
    }
  })
}

function idOf(file: FoundFile | FileId): FileId {
  if (!('fid' in file)) return file
  return file.file === undefined ? { fid: file.fid } : { fid: file.fid, file: file.file }
}
