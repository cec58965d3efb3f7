/**
 * Message-ids as one sender makes them: a fresh prefix of 24 characters, then a number of its own in 12 hexadecimal digits. An answer's id
 * then says by itself whom it is for and what it answers.
 */
import { randomUUID } from 'node:crypto'

const PREFIX_CHARACTERS = 24

/** Stands where a message's own id could not be told. */
export const NIL_UUID = '00000000-0000-0000-0000-000000000000'

export function messageIdPrefix(): string {
  return randomUUID().slice(0, PREFIX_CHARACTERS)
}

/** @param number 0 … 2^48 - 1 */
export function messageId(prefix: string, number: number): string {
  return prefix + number.toString(16).padStart(12, '0')
}

export function prefixOf(id: string): string {
  return id.slice(0, PREFIX_CHARACTERS)
}

/** What the sender of a message-id numbered it with. */
export function numberOf(id: string): number {
  return Number.parseInt(id.slice(PREFIX_CHARACTERS), 16)
}
