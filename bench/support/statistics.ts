/**
 * Numbers out of samples: what a figure shows of its pairs. Owns medians, percentiles and ratios of runs made in turn; knows
 * nothing of where the samples come from.
 */

export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Of at least one sample. */
export function summarize(samples: readonly number[]): Summary {
  return { median: percentile(samples, 0.5), min: Math.min(...samples), max: Math.max(...samples) }
}

/** The nearest-rank percentile, so it is always a value that was measured; `share` from 0 to 1. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = Float64Array.from(samples).sort()
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
  if (value === undefined) throw new Error('no samples')
  return value
}

/** Each sample over the one of the same pair: the machine's mood of that moment is in both and cancels out. */
export function ratios(samples: readonly number[], baseline: readonly number[]): number[] {
  return samples.map((sample, pair) => sample / (baseline[pair] ?? Number.NaN))
}

/**
 * Runs all of them once unmeasured, then in turn, A B C A B C, so many times. Answers the samples of each, by pair.
 */
export async function inTurn<Name extends string, Sample>(
  pairs: number,
  runs: Readonly<Record<Name, () => Promise<Sample>>>,
  progress: (text: string) => void,
): Promise<Record<Name, Sample[]>> {
  const names = Object.keys(runs) as Name[]
  const samples = Object.fromEntries(names.map(name => [name, []])) as unknown as Record<Name, Sample[]>
  for (let pair = -1; pair < pairs; pair++) {
    for (const name of names) {
      const sample = await runs[name]()
      if (pair >= 0) samples[name].push(sample)
    }
    progress(`pair ${pair + 1} of ${pairs}`)
  }
  return samples
}
