/**
 * Objects without their absent fields: `exactOptionalPropertyTypes` tells a missing field from one that is undefined, and so does the
 * wire.
 */

/** Every field of T, undefined where T may do without it: none is forgotten. */
export type Told<T> = { readonly [K in keyof T]-?: T[K] | undefined }

/** A copy without the fields that are undefined. What is required in T has to be given by the caller. */
export function present<T extends object>(fields: Told<T>): T {
  return withoutUndefined(fields as Readonly<Record<string, unknown>>) as T
}

/** As `present`, of any values. Each file of a page goes through it several times, and `Object.entries` costs five times as much. */
export function withoutUndefined<V>(fields: Readonly<Record<string, V | undefined>>): Record<string, V> {
  const copy: Record<string, V> = {}
  for (const key in fields) {
    const value = fields[key]
    if (value !== undefined) copy[key] = value
  }
  return copy
}
