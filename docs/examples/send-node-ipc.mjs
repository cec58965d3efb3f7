// Sends one file to tallyd with stock node-ipc: node send-node-ipc.mjs SOCKET TOKEN-FILE FILE
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import ipc from 'node-ipc'

const [path, token, name] = process.argv.slice(2)
let [sent, bytes] = [0, readFileSync(name)]
const ask = (type, fields) => ipc.of.tally.emit(type, { 'message-id': crypto.randomUUID(), ...fields })
Object.assign(ipc.config, { silent: true, stopRetrying: true })
ipc.connectTo('tally', path, () => ipc.of.tally.on('destroy', () => process.exit(1)))
ipc.of.tally.on('connect', () => ask('AUTHENTICATION', { token: `${readFileSync(token)}`.trim(), files: [{ name: basename(name), size: bytes.length }] }))
ipc.of.tally.on('RESPONSE', ({ response, code, reason }) => {
  if (response === 'Error') throw new Error(`${code}: ${reason}`)
  if (sent < bytes.length) ask('TRANSFER', { chunk: crypto.randomUUID(), data: bytes.toString('base64', sent, (sent += 65_536)) })
  else ipc.disconnect('tally')
})
