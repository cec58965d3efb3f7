/**
 * The baseline `ping-pong`: frames of the same lengths as a stop-and-wait client's and its daemon's, back and forth over a Unix
 * socket between two processes, nothing parsed or stored. What a daemon's own work costs is the distance to it.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { answerTasks } from '../support/child.ts'

/** A server answers `answerBytes` for each `requestBytes` received; a client does `count` rounds. */
export interface PingPongTask {
  readonly role: 'server' | 'client'
  readonly socketPath: string
  readonly requestBytes: number
  readonly answerBytes: number
  readonly count: number
}

/** The client's rounds per second; 0 for the server, which is ready then. A later task of a server's changes its lengths. */
export type PingPongResult = number

let requestBytes = 0
let answer = Buffer.alloc(0)
let listening = false

async function serve(socketPath: string): Promise<PingPongResult> {
  if (listening) return 0
  const server = createServer(socket => {
    let heldBytes = 0
    socket.on('data', bytes => {
      heldBytes += bytes.length
      for (; heldBytes >= requestBytes; heldBytes -= requestBytes) socket.write(answer)
    })
    socket.on('error', () => socket.destroy())
  })
  server.listen(socketPath)
  await once(server, 'listening')
  listening = true
  return 0
}

async function play(task: PingPongTask): Promise<PingPongResult> {
  const socket = connect(task.socketPath)
  await once(socket, 'connect')
  // A buffer each, as a client would have: the same bytes again and again would be in the processor's cache.
  const requests = Array.from({ length: Math.min(task.count, 4096) }, () => Buffer.alloc(task.requestBytes, 0x61))
  const startMs = performance.now()
  await new Promise<void>((resolve, reject) => {
    let heldBytes = 0
    let rounds = 0
    const next = (): void => {
      socket.write(requests[rounds % requests.length] ?? Buffer.alloc(0))
    }
    socket.on('error', reject)
    socket.on('data', bytes => {
      heldBytes += bytes.length
      if (heldBytes < task.answerBytes) return
      heldBytes -= task.answerBytes
      rounds += 1
      if (rounds === task.count) resolve()
      else next()
    })
    next()
  })
  const seconds = (performance.now() - startMs) / 1000
  socket.destroy()
  return task.count / seconds
}

answerTasks<PingPongTask, PingPongResult>(task => {
  if (task.role === 'client') return play(task)
  requestBytes = task.requestBytes
  answer = Buffer.alloc(task.answerBytes, 0x62)
  return serve(task.socketPath)
})
