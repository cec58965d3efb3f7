/**
 * The baseline `tus`: tus-js-client → @tus/server with @tus/file-store over HTTP on the loopback, one PATCH for the whole file, which is its
 * best chunk size. It neither syncs nor answers for pieces. Its packages are no part of the product: support/tus.ts installs them here.
 */
import { createReadStream } from 'node:fs'
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'
import { Upload } from 'tus-js-client'
import { answerTasks } from '../../support/child.ts'

function serve(directory) {
  const server = new Server({ path: '/files', datastore: new FileStore({ directory }) })
  return new Promise((resolve, reject) => {
    const listening = server.listen({ host: '127.0.0.1', port: 0 }, () => resolve(listening.address().port))
    listening.on('error', reject)
  })
}

async function send(path, port) {
  const startMs = performance.now()
  await new Promise((resolve, reject) => {
    const options = { endpoint: `http://127.0.0.1:${port}/files`, onSuccess: resolve, onError: reject, retryDelays: null }
    new Upload(createReadStream(path, { highWaterMark: 256 * 1024 }), options).start()
  })
  return (performance.now() - startMs) / 1000
}

answerTasks(({ role, path, port }) => (role === 'server' ? serve(path) : send(path, port)))
