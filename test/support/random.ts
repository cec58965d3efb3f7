/**
 * Seeded randomness for tests: one small generator (sfc32) whose seed is printed with each failure and given back through
 * `TALLY_TEST_SEED`. It owns no state beyond its instances, so tests that run side by side do not disturb one another.
 */
import { createCipheriv } from 'node:crypto'

export class Random {
  readonly seed: number
  #a: number
  #b: number
  #c: number
  #d = 1

  constructor(seed: number) {
    this.seed = seed >>> 0
    this.#a = 0x9e3779b9 ^ this.seed
    this.#b = 0x243f6a88 + this.seed
    this.#c = 0xb7e15162 ^ (this.seed << 7)
    for (let i = 0; i < 16; i++) this.uint32()
  }

  uint32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0
    this.#d = (this.#d + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t
    return t >>> 0
  }

  /** 0 ≤ result < 1. */
  fraction(): number {
    return this.uint32() / 2 ** 32
  }

  /** An integer with `low` ≤ result ≤ `high`. */
  between(low: number, high: number): number {
    return low + Math.floor(this.fraction() * (high - low + 1))
  }

  /** As `between`, but every order of magnitude is equally likely; `low` is at least 1. */
  magnitude(low: number, high: number): number {
    return Math.min(high, Math.floor(low * ((high + 1) / low) ** this.fraction()))
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(values: readonly T[]): T {
    return values[this.between(0, values.length - 1)] as T
  }

  shuffle<T>(values: readonly T[]): T[] {
    const shuffled = [...values]
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.between(0, i)
      const moved = shuffled[i] as T
      shuffled[i] = shuffled[j] as T
      shuffled[j] = moved
    }
    return shuffled
  }

  bytes(count: number): Buffer {
    return contentOf(this.uint32(), count)
  }

  /** A UUID of version 4, or of any version and variant but 8 when `wild`: what original clients send. */
  uuid(wild = false): string {
    const raw = this.bytes(16)
    if (!wild) {
      raw[6] = ((raw[6] as number) & 0x0f) | 0x40
      raw[8] = ((raw[8] as number) & 0x3f) | 0x80
    } else if ((raw[6] as number) >> 4 === 8) {
      raw[6] = (raw[6] as number) & 0x7f
    }
    const hex = raw.toString('hex')
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
  }
}

/** The same bytes for the same seed and length, made at some GB/s: a file's content need not be kept to be compared. */
export function contentOf(seed: number, count: number): Buffer {
  const key = Buffer.alloc(16)
  key.writeUInt32BE(seed >>> 0, 0)
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(count))
}

/** The seed to use: that of `TALLY_TEST_SEED`, else a fresh one. The caller prints it. */
export function chooseSeed(): number {
  const given = process.env['TALLY_TEST_SEED']
  return given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given) >>> 0
}
