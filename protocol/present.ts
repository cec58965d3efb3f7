/**
 * Objects without their absent fields: `exactOptionalPropertyTypes` tells a missing field from one that is undefined, and so does the
 * wire.
 */

/** Every field of T, undefined where T may do without it: none is forgotten. */
export type Told<T> = { readonly [K in keyof T]-?: T[K] | undefined }

/** A copy without the fields that are undefined. What is required in T has to be given by the caller. */
export function present<T extends object>(fields: Told<T>): T {
  const copy: Partial<Record<string, unknown>> = {}
  // Pairs of key and value would be an array each, in every message.
  for (const key of Object.keys(fields) as (keyof T & string)[]) if (fields[key] !== undefined) copy[key] = fields[key]
  return copy as T
}
