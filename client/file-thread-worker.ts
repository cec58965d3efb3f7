/** The thread of small files: one, because several would only wait for one another's changes of the same directory. */
import { parentPort } from 'node:worker_threads'
import type { Answer, Answers, Request } from './file-thread.ts'
import { makeNow, readNow } from './small-file-now.ts'

/** Answers do not wait longer than this for others of their message. */
const ANSWER_DELAY_MS = 1

const port = parentPort
if (port === null) throw new Error('this module runs in a worker thread')

port.on('message', (requests: readonly Request[]) => {
  let answers: Answer[] = []
  let beganMs = performance.now()
  for (const [index, request] of requests.entries()) {
    answers.push(answerTo(request))
    const nowMs = performance.now()
    if (nowMs < beganMs + ANSWER_DELAY_MS && index < requests.length - 1) continue
    port.postMessage({ answers, tookMs: nowMs - beganMs } satisfies Answers)
    answers = []
    beganMs = nowMs
  }
})
port.postMessage({ answers: [], tookMs: 0 } satisfies Answers)

function answerTo(request: Request): Answer {
  const [id] = request
  try {
    if (request[1] === 'read') {
      const read = readNow(request[2], request[3])
      return read === undefined ? [id, 'passed'] : [id, 'read', read.bytes, read.modifiedMs]
    }
    const [, , path, partial, bytes, force] = request
    return [id, makeNow({ path, partial, bytes, force }) ? 'made' : 'passed']
  } catch (cause) {
    // A copy of an Error has its message only.
    const { message, code, errno, syscall, path, dest } = cause as NodeJS.ErrnoException & { dest?: string }
    return [id, 'failed', { message, code, errno, syscall, path, dest }]
  }
}
