/** The golden frames: decoded to their message, and written by our encoder to the byte. */
import t from 'tap'
import {
  decodeMessage,
  encodeFrame,
  encodeMessage,
  encodeOkFrames,
  encodeTransferFrame,
  FrameDecoder,
  type Message,
} from '../../protocol/index.ts'
import { GOLDEN, ID } from './golden/frames.ts'

for (const frame of GOLDEN) {
  t.test(`decodes ${frame.name}`, async t => {
    const messages: Message[] = []
    const decoder = new FrameDecoder()
    decoder.push(frame.bytes, (type, payload) => messages.push(decodeMessage(type, payload).message))
    t.equal(decoder.framing, frame.framing)
    t.equal(decoder.unfinished, false)
    t.strictSame(
      messages.map(message => ('data' in message ? { ...message, data: Array.from(message.data) } : message)),
      [frame.message],
    )
  })
  if (frame.exact === undefined) continue
  t.test(`writes ${frame.name} to the byte`, async t => {
    const data = frame.message.data as number[] | undefined
    const message = (data === undefined ? frame.message : { ...frame.message, data: Uint8Array.from(data) }) as unknown as Message
    const encoding = frame.exact === 'msgpack' ? 'msgpack' : 'json'
    const payload = encodeMessage(message, encoding, { data: frame.exact === 'json array' ? 'array' : 'base64' })
    t.equal(text(encodeFrame(frame.framing, frame.type, payload)), text(frame.bytes))
    if (message.type === 3 && encoding === 'msgpack' && frame.framing !== 'N')
      t.equal(text(encodeTransferFrame(frame.framing, ID, message.chunk, message.data)), text(frame.bytes))
    if (frame.message.response === 'Ok' && !('files' in frame.message)) t.equal(text(encodeOkFrames(frame.framing, encoding, [ID, ID])), text(frame.bytes).repeat(2))
  })
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
