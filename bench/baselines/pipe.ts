/**
 * The baseline `pipe`: file → Unix socket → file with `stream.pipeline`, 256 KiB reads, no protocol, no hash, no sync. One process
 * is the sink, another the source; the source's time ends when the sink says that its file is written.
 */
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { connect, createServer } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { answerTasks } from '../support/child.ts'

const READ_BYTES = 256 * 1024

/** A sink listens and writes what each connection brings to `path`, anew each time; a source sends the file at `path`. */
export interface PipeTask {
  readonly role: 'sink' | 'source'
  readonly socketPath: string
  readonly path: string
}

/** How long the source took, in seconds; 0 for the sink, which is ready then. */
export type PipeResult = number

async function sink(socketPath: string, path: string): Promise<PipeResult> {
  const server = createServer({ allowHalfOpen: true }, socket => {
    pipeline(socket, createWriteStream(path), { end: true }).then(() => socket.end(), () => socket.destroy())
  })
  server.listen(socketPath)
  await once(server, 'listening')
  return 0
}

async function source(socketPath: string, path: string): Promise<PipeResult> {
  const socket = connect({ path: socketPath, allowHalfOpen: true })
  await once(socket, 'connect')
  const startMs = performance.now()
  const sinkDone = once(socket.resume(), 'end')
  await pipeline(createReadStream(path, { highWaterMark: READ_BYTES }), socket, { end: true })
  await sinkDone
  return (performance.now() - startMs) / 1000
}

answerTasks<PipeTask, PipeResult>(({ role, socketPath, path }) => (role === 'sink' ? sink : source)(socketPath, path))
