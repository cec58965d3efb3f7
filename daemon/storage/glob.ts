/**
 * The patterns of FIND's `name`: `*` any run of characters, `?` one character, `[…]` one of a set with ranges, `[!…]` and `[^…]` one
 * outside it. The whole name has to match, case counts, `/` is ordinary, a character is a code point, and a `[` that is never closed
 * stands for itself. It owns the meaning; a back-end may hand patterns without sets to its database.
 */

type Token = '*' | '?' | { readonly code: number } | { readonly outside: boolean; readonly ranges: readonly (readonly [number, number])[] }

/** A matcher for one pattern. Its work is bounded by pattern times name, whatever the pattern. */
export function globMatcher(pattern: string): (name: string) => boolean {
  const tokens = parse(codePoints(pattern))
  return name => matches(tokens, codePoints(name))
}

/** Whether the pattern uses nothing but `*` and `?`. */
export function isPlainGlob(pattern: string): boolean {
  return !pattern.includes('[')
}

function matches(tokens: readonly Token[], name: readonly number[]): boolean {
  let at = 0
  let token = 0
  // Only the last `*` is ever tried again: what an earlier one swallowed more could be swallowed by the last one too.
  let starToken = -1
  let starAt = 0
  while (at < name.length) {
    const current = tokens[token]
    if (current === '*') {
      starToken = token++
      starAt = at
    } else if (current !== undefined && matchesOne(current, name[at] as number)) {
      token++
      at++
    } else if (starToken >= 0) {
      token = starToken + 1
      at = ++starAt
    } else {
      return false
    }
  }
  while (tokens[token] === '*') token++
  return token === tokens.length
}

function matchesOne(token: Token, code: number): boolean {
  if (token === '?') return true
  if (token === '*') return false
  if ('code' in token) return token.code === code
  return token.ranges.some(([low, high]) => low <= code && code <= high) !== token.outside
}

function parse(pattern: readonly number[]): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < pattern.length; at++) {
    const code = pattern[at] as number
    const set = code === OPEN ? parseSet(pattern, at) : undefined
    if (code === STAR) {
      if (tokens.at(-1) !== '*') tokens.push('*')
    } else if (code === QUESTION) {
      tokens.push('?')
    } else if (set !== undefined) {
      tokens.push(set.token)
      at = set.end
    } else {
      tokens.push({ code })
    }
  }
  return tokens
}

/** The set that opens here and the index of its `]`; a `]` right after the opening is a member. */
function parseSet(pattern: readonly number[], open: number): { token: Token; end: number } | undefined {
  let at = open + 1
  const outside = pattern[at] === BANG || pattern[at] === CARET
  if (outside) at++
  const end = pattern.indexOf(CLOSE, at + 1)
  if (end < 0) return undefined
  const ranges: [number, number][] = []
  while (at < end) {
    const low = pattern[at] as number
    if (pattern[at + 1] === DASH && at + 2 < end) {
      ranges.push([low, pattern[at + 2] as number])
      at += 3
    } else {
      ranges.push([low, low])
      at++
    }
  }
  return { token: { outside, ranges }, end }
}

function codePoints(text: string): number[] {
  return Array.from(text, character => character.codePointAt(0) as number)
}

const STAR = 0x2a
const QUESTION = 0x3f
const OPEN = 0x5b
const CLOSE = 0x5d
const BANG = 0x21
const CARET = 0x5e
const DASH = 0x2d
