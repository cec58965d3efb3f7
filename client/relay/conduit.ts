/**
 * One near connection and the far links that serve it, one after the other. Whole frames go both ways as they came; when the far link
 * breaks the near connection stays, a new link is made with back-off, and what was not written yet goes there. It neither reads messages
 * nor makes them, but for the refusal of what is no frame.
 */
import type { Socket } from 'node:net'
import { FrameCutter, HEADER_BYTES, MESSAGE_TYPE, type MemoryBudget, TallyError, encodeFrame, encodeMessage } from '../../protocol/index.ts'
import { NIL_UUID } from '../message-id.ts'
import { type Timings, backOffMs } from '../timings.ts'
import { Outlet, type WaitingTotal } from './outlet.ts'

/** As tallyd: a frame that stays unfinished, and a peer that says nothing at first, is closed after this. */
const SILENCE_MS_MAX = 30_000
/** While there is no far link the near side waits for so long; then frames are dropped, so that a peer that went away is noticed. */
const DOWN_MS_MAX = 30_000
/** How long the near peer may take to read its last answers. */
const CLOSING_MS_MAX = 30_000
const OPEN_MAP = 0x7b

/** What a conduit tells. */
export interface ConduitTeller {
  broken(reason: string): void
  restored(attempts: number, downMs: number): void
  refused(reason: string): void
}

export interface ConduitOptions {
  /** Half-open sockets allowed, as for `dial`. */
  readonly near: Socket
  readonly dial: (signal: AbortSignal) => Promise<Socket>
  readonly budget: MemoryBudget
  readonly waiting: WaitingTotal
  readonly timings: Timings
  readonly tell: ConduitTeller
}

interface Link {
  readonly socket: Socket
  readonly cutter: FrameCutter
  /** When the unfinished frame at hand began. */
  unfinishedSinceMs: number | undefined
  readonly sinceMs: number
  gaveFrames: boolean
  tookFrames: boolean
}

/** Idle: the next link is made when there is something to send. */
type Far =
  | { readonly state: 'idle' }
  | { readonly state: 'dialing'; readonly ending: AbortController }
  | { readonly state: 'pausing'; readonly timer: NodeJS.Timeout }
  | { readonly state: 'open'; readonly link: Link }
  | { readonly state: 'over' }

export class Conduit {
  readonly #options: ConduitOptions
  readonly #near: Socket
  readonly #cutter: FrameCutter
  readonly #toFar: Outlet
  readonly #toNear: Outlet
  readonly #sinceMs: number
  #far: Far = { state: 'idle' }
  /** Libipc programs take one message per read (docs/protocol.md, "Frames"): whoever speaks JSON in A or B gets each frame by itself. */
  #isPlain: boolean | undefined
  #unfinishedSinceMs: number | undefined
  #hasEnded = false
  #refusal: TallyError | undefined
  #refusedSinceMs: number | undefined
  /** Links that failed one after the other, how long the next one was waited for, and since when there is none. */
  #failures = 0
  #pauseMs = 0
  #downSinceMs: number | undefined

  constructor(options: ConduitOptions) {
    const { near, budget, waiting, timings } = options
    this.#options = options
    this.#near = near
    this.#sinceMs = timings.nowMs()
    this.#cutter = new FrameCutter({ budget })
    this.#toFar = new Outlet(waiting, () => near.resume())
    this.#toNear = new Outlet(waiting, () => { if (this.#far.state === 'open') this.#far.link.socket.resume() })
    this.#toNear.attach(near)
    near.on('data', bytes => this.#fromNear(bytes))
    near.on('end', () => this.end())
    near.on('error', () => undefined)
    near.on('close', () => this.destroy())
  }

  /** The near peer, or the relay, has said its last: what waits is sent and answered, then both sides are closed. */
  end(): void {
    if (this.#hasEnded || this.#far.state === 'over') return
    this.#hasEnded = true
    this.#cutter.dispose()
    this.#toFar.end()
    if (this.#far.state !== 'open' && this.#toFar.isEmpty) this.#finish()
  }

  /** Closes both sides at once. */
  destroy(): void {
    const far = this.#far
    this.#far = { state: 'over' }
    if (far.state === 'dialing') far.ending.abort(new Error('nobody needs the link any more'))
    if (far.state === 'pausing') clearTimeout(far.timer)
    if (far.state === 'open') far.link.cutter.dispose()
    if (far.state === 'open') far.link.socket.destroy()
    this.#cutter.dispose()
    for (const outlet of [this.#toFar, this.#toNear]) {
      outlet.detach()
      outlet.clear()
    }
    this.#near.destroy()
  }

  /** To be called every second: closes who leaves a frame unfinished, or says nothing; lets go of what waited too long. */
  check(): void {
    const beforeMs = this.#options.timings.nowMs() - SILENCE_MS_MAX
    const isLate = (sinceMs: number | undefined): boolean => sinceMs !== undefined && sinceMs < beforeMs
    if (this.#cutter.framing === undefined && isLate(this.#sinceMs)) this.destroy()
    else if (isLate(this.#refusedSinceMs)) this.destroy()
    else if (isLate(this.#unfinishedSinceMs) && !this.#near.isPaused()) this.destroy()
    if (this.#far.state === 'open') {
      const { unfinishedSinceMs, socket } = this.#far.link
      if (isLate(unfinishedSinceMs) && !socket.isPaused()) this.#broke(this.#far.link, 'a frame stayed unfinished')
    } else if (this.#isDownLong()) {
      this.#toFar.clear()
    }
  }

  #fromNear(bytes: Uint8Array): void {
    if (this.#hasEnded) return
    let finished = false
    let hasRoom = true
    try {
      this.#cutter.push(bytes, frames => {
        finished = true
        this.#isPlain ??= isPlain(this.#cutter, frames)
        hasRoom &&= this.#forward(frames)
      })
      if (!hasRoom) throw tooMuchWaits()
    } catch (error) {
      this.#refuse(error as TallyError)
      return
    }
    if (finished || !this.#cutter.unfinished) this.#unfinishedSinceMs = undefined
    if (this.#cutter.unfinished) this.#unfinishedSinceMs ??= this.#options.timings.nowMs()
    if (this.#cutter.closed) this.end()
    else if (this.#toFar.isFull) this.#near.pause()
  }

  /** False where there is no room for them. */
  #forward(frames: Uint8Array): boolean {
    if (this.#isDownLong()) return true
    if (!this.#toFar.takes(frames)) return false
    if (this.#far.state === 'open') this.#far.link.tookFrames = true
    this.#toFar.push(frames)
    if (this.#far.state === 'idle') this.#dial()
    return true
  }

  #isDownLong(): boolean {
    return this.#downSinceMs !== undefined && this.#options.timings.nowMs() - this.#downSinceMs > DOWN_MS_MAX
  }

  #dial(): void {
    const ending = new AbortController()
    this.#far = { state: 'dialing', ending }
    this.#options.dial(ending.signal).then(socket => this.#opened(socket, ending), (error: unknown) => {
      if (ending.signal.aborted) return
      this.#tellBroken(error instanceof Error ? error.message : String(error))
      this.#dialLater()
    })
  }

  #opened(socket: Socket, ending: AbortController): void {
    if (ending.signal.aborted) {
      socket.on('error', () => undefined)
      socket.destroy()
      return
    }
    const cutter = new FrameCutter({ framing: this.#cutter.framing, budget: this.#options.budget, isSingly: this.#isPlain === true })
    const sinceMs = this.#options.timings.nowMs()
    const link: Link = { socket, cutter, unfinishedSinceMs: undefined, sinceMs, gaveFrames: false, tookFrames: !this.#toFar.isEmpty }
    this.#far = { state: 'open', link }
    socket.on('data', bytes => this.#fromFar(link, bytes))
    socket.on('end', () => this.#broke(link, 'the far end closed it'))
    socket.on('error', cause => this.#broke(link, cause.message))
    socket.on('close', () => this.#broke(link, 'it was closed'))
    if (this.#downSinceMs !== undefined) {
      this.#options.tell.restored(this.#failures, sinceMs - this.#downSinceMs)
      this.#downSinceMs = undefined
    }
    this.#toFar.attach(socket)
  }

  #fromFar(link: Link, bytes: Uint8Array): void {
    if (!this.#isOn(link)) return
    let finished = false
    let hasRoom = true
    try {
      link.cutter.push(bytes, frames => {
        finished = true
        hasRoom &&= this.#toNear.takes(frames)
        if (hasRoom) this.#toNear.push(frames)
      })
      if (!hasRoom) throw tooMuchWaits()
    } catch (error) {
      this.#broke(link, (error as Error).message)
      return
    }
    if (finished || !link.cutter.unfinished) link.unfinishedSinceMs = undefined
    if (link.cutter.unfinished) link.unfinishedSinceMs ??= this.#options.timings.nowMs()
    link.gaveFrames ||= finished
    if (link.cutter.closed) this.#broke(link, 'the far end closed it')
    else if (this.#toNear.isFull) link.socket.pause()
  }

  #isOn(link: Link): boolean {
    return this.#far.state === 'open' && this.#far.link === link
  }

  /** Half a frame of either direction is dropped; whole ones from there still go to the near side. */
  #broke(link: Link, reason: string): void {
    if (!this.#isOn(link)) return
    link.cutter.dispose()
    this.#toFar.detach()
    link.socket.destroy()
    // One that gives a frame and breaks each time is waited for ever longer, too.
    if (link.gaveFrames && this.#options.timings.nowMs() - link.sinceMs >= this.#pauseMs) this.#failures = 0
    if (this.#hasEnded && this.#toFar.isEmpty) {
      this.#finish()
      return
    }
    this.#tellBroken(reason)
    // A far end that closes an idle connection would close the next one, too.
    if (link.tookFrames || !this.#toFar.isEmpty) this.#dialLater()
    else this.#far = { state: 'idle' }
  }

  #tellBroken(reason: string): void {
    if (this.#downSinceMs !== undefined) return
    this.#downSinceMs = this.#options.timings.nowMs()
    this.#options.tell.broken(reason)
  }

  #dialLater(): void {
    if (this.#hasEnded && this.#toFar.isEmpty) {
      this.#finish()
      return
    }
    this.#pauseMs = backOffMs(this.#options.timings, this.#failures++)
    const timer = setTimeout(() => this.#dial(), this.#pauseMs)
    this.#far = { state: 'pausing', timer }
  }

  /** As tallyd would: what came before is answered first, unless that takes too long. */
  #refuse(error: TallyError): void {
    this.#refusal = error
    this.#refusedSinceMs = this.#options.timings.nowMs()
    this.#options.tell.refused(error.message)
    this.end()
  }

  /** The near peer gets what waits for it, then its connection is closed. */
  #finish(): void {
    if (this.#far.state === 'over') return
    this.#far = { state: 'over' }
    if (this.#refusal !== undefined) this.#toNear.push(refusalFrame(this.#cutter, this.#refusal))
    this.#toNear.end()
    const timer = setTimeout(() => this.#near.destroy(), CLOSING_MS_MAX)
    this.#near.once('finish', () => this.#near.destroy())
    this.#near.once('close', () => clearTimeout(timer))
  }
}

/** Told by the first frame; see `Conduit.#isPlain`. */
function isPlain({ framing }: FrameCutter, frames: Uint8Array): boolean {
  return framing !== undefined && framing !== 'N' && frames[HEADER_BYTES[framing]] === OPEN_MAP
}

function tooMuchWaits(): TallyError {
  return new TallyError('busy', 'too much waits to be read by others', { 'retry-after': 1_000 }, { fatal: true })
}

function refusalFrame({ framing = 'A' }: FrameCutter, { code, message, details }: TallyError): Uint8Array {
  const answer = { type: MESSAGE_TYPE.RESPONSE, messageId: NIL_UUID, response: 'Error', reason: message, code, fatal: true } as const
  return encodeFrame(framing, answer.type, encodeMessage({ ...answer, details }, 'json'))
}
