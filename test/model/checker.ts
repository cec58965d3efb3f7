/**
 * An explicit-state model checker: it walks every state that a machine can reach, breadth first, so the counterexample that it finds
 * is a shortest one. It knows nothing of transfers. States are vectors of small numbers (0 to 15), kept packed, two to a byte, in one
 * growing table, which is what lets millions of them fit.
 */

/** Reports one move: its name, in which each `%` stands for one of the numbers, and the state after it (read before `step` returns). */
export type Step = (move: string, next: Uint8Array, first?: number, second?: number) => void

export interface Machine {
  /** Numbers in a state; each is at most 15. */
  readonly width: number
  initial(): Uint8Array
  /** Calls `step` for everything that can happen next. */
  moves(state: Uint8Array, step: Step): void
  /** The promise that this state breaks, if any. */
  broken(state: Uint8Array): string | undefined
  /** Nothing is left to be done, or to be hoped for. From every state such a one must be reachable without harm. */
  isDone(state: Uint8Array): boolean
  /** Crashes, failures and losses: they may happen at any time, but no state may need one to go on. */
  isHarm(move: string): boolean
  describe(move: string, first: number, second: number): string
}

export interface Verdict {
  readonly states: number
  readonly transitions: number
  /** Moves on the longest shortest way to a state. */
  readonly depth: number
  readonly violation?: Violation
}

export interface Violation {
  readonly promise: string
  /** What happened, from the initial state on. */
  readonly trace: readonly string[]
}

/** The promise that is broken when a state has no way to a done one. */
export const PROGRESS = 'I11'

/** Walks all states, or up to the first that breaks a promise. Throws when there are more than `statesMax`. */
export function check(machine: Machine, statesMax: number): Verdict {
  const table = new StateTable(machine.width, statesMax)
  const edges = new Edges()
  const start = machine.initial()
  table.add(start, -1)
  let transitions = 0
  let levelEnd = 1
  let depth = 0
  let found: Violation | undefined
  const current = new Uint8Array(machine.width)

  for (let index = 0; index < table.count && found === undefined; index++) {
    if (index === levelEnd) {
      depth++
      levelEnd = table.count
    }
    table.read(index, current)
    machine.moves(current, (move, next) => {
      transitions++
      if (found !== undefined) return
      const before = table.count
      const target = table.add(next, index)
      if (target !== index && !machine.isHarm(move)) edges.add(index, target)
      if (target < before) return
      const promise = machine.broken(next)
      if (promise !== undefined) found = { promise, trace: trace(machine, table, target) }
    })
  }
  found ??= findStuck(machine, table, edges)
  return { states: table.count, transitions, depth, ...(found === undefined ? {} : { violation: found }) }
}

/** The first state, in order of discovery, from which no done state can be reached without harm. */
function findStuck(machine: Machine, table: StateTable, edges: Edges): Violation | undefined {
  const hopeful = new Uint8Array(table.count)
  const state = new Uint8Array(machine.width)
  for (let index = 0; index < table.count; index++) {
    table.read(index, state)
    if (machine.isDone(state)) hopeful[index] = 1
  }
  edges.spreadBackwards(hopeful)
  const stuck = hopeful.indexOf(0)
  return stuck < 0 ? undefined : { promise: PROGRESS, trace: trace(machine, table, stuck) }
}

function trace(machine: Machine, table: StateTable, last: number): string[] {
  const path: number[] = []
  for (let index = last; index >= 0; index = table.parent(index)) path.unshift(index)
  const steps: string[] = []
  const state = new Uint8Array(machine.width)
  for (const [i, target] of path.slice(1).entries()) {
    table.read(path[i] as number, state)
    let text: string | undefined
    machine.moves(state, (move, next, first = 0, second = 0) => {
      if (text === undefined && table.find(next) === target) text = machine.describe(move, first, second)
    })
    steps.push(`${i + 1}. ${text ?? 'unknown'}`)
  }
  return steps
}

/** A hash table of packed states, numbered in order of discovery, each with the state that it was found from. */
class StateTable {
  count = 0
  readonly #words: number
  readonly #statesMax: number
  #states: Uint32Array
  #parents: Int32Array
  #slots: Int32Array
  readonly #packed: Uint32Array

  constructor(width: number, statesMax: number) {
    this.#words = Math.ceil(width / 8)
    this.#statesMax = statesMax
    this.#states = new Uint32Array(this.#words * 65_536)
    this.#parents = new Int32Array(65_536)
    this.#slots = new Int32Array(131_072).fill(-1)
    this.#packed = new Uint32Array(this.#words)
  }

  parent(index: number): number {
    return this.#parents[index] as number
  }

  read(index: number, into: Uint8Array): void {
    const base = index * this.#words
    for (let i = 0; i < into.length; i++) into[i] = ((this.#states[base + (i >>> 3)] as number) >>> ((i & 7) * 4)) & 15
  }

  /** The state's number, new or not. */
  add(state: Uint8Array, parent: number): number {
    const slot = this.#slot(state)
    const known = this.#slots[slot] as number
    if (known >= 0) return known
    if (this.count === this.#statesMax) throw new Error(`more than ${this.#statesMax} states: the bounds are too wide`)
    if (this.count === this.#parents.length) this.#widen()
    this.#states.set(this.#packed, this.count * this.#words)
    this.#parents[this.count] = parent
    this.#slots[slot] = this.count
    this.count++
    if (this.count * 2 > this.#slots.length) this.#rehash()
    return this.count - 1
  }

  find(state: Uint8Array): number {
    return this.#slots[this.#slot(state)] as number
  }

  /** Packs the state and answers where it is, or where it would be put. */
  #slot(state: Uint8Array): number {
    const packed = this.#packed.fill(0)
    for (let i = 0; i < state.length; i++) packed[i >>> 3] = (packed[i >>> 3] as number) | ((state[i] as number) << ((i & 7) * 4))
    return this.#probe(packed, 0, true)
  }

  #probe(words: Uint32Array, base: number, compare: boolean): number {
    let hash = 0x811c9dc5
    for (let i = 0; i < this.#words; i++) {
      hash = Math.imul(hash ^ (words[base + i] as number), 0x9e3779b1)
      hash ^= hash >>> 15
    }
    const mask = this.#slots.length - 1
    let slot = (hash ^ (hash >>> 13)) & mask
    for (let index = this.#slots[slot] as number; index >= 0; index = this.#slots[slot] as number) {
      if (compare && this.#equals(words, index * this.#words)) return slot
      slot = (slot + 1) & mask
    }
    return slot
  }

  #equals(words: Uint32Array, base: number): boolean {
    for (let i = 0; i < this.#words; i++) if (this.#states[base + i] !== words[i]) return false
    return true
  }

  #widen(): void {
    const states = new Uint32Array(this.#states.length * 2)
    states.set(this.#states)
    this.#states = states
    const parents = new Int32Array(this.#parents.length * 2)
    parents.set(this.#parents)
    this.#parents = parents
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1)
    for (let index = 0; index < this.count; index++) this.#slots[this.#probe(this.#states, index * this.#words, false)] = index
  }
}

/** The harmless transitions, kept for the question of progress. */
class Edges {
  #count = 0
  #from = new Int32Array(65_536)
  #to = new Int32Array(65_536)

  add(from: number, to: number): void {
    if (this.#count === this.#from.length) {
      this.#from = widened(this.#from)
      this.#to = widened(this.#to)
    }
    this.#from[this.#count] = from
    this.#to[this.#count++] = to
  }

  /** Sets `marks[from]` wherever `marks[to]` is set, until nothing changes. */
  spreadBackwards(marks: Uint8Array): void {
    for (let changed = true; changed; ) {
      changed = false
      for (let i = this.#count - 1; i >= 0; i--) {
        if (marks[this.#to[i] as number] === 1 && marks[this.#from[i] as number] === 0) {
          marks[this.#from[i] as number] = 1
          changed = true
        }
      }
    }
  }
}

function widened(array: Int32Array): Int32Array<ArrayBuffer> {
  const wide = new Int32Array(array.length * 2)
  wide.set(array)
  return wide
}
