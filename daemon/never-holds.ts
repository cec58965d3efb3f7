/**
 * Limits that never hold, because a lower one stands above them: of several the smallest holds (docs/operating.md, "Of one user, of one
 * tag"). They are no mistakes, as a token or a later setting may be lower still; but whoever wrote them may have meant otherwise.
 */
import { labelOf, sizeBytes } from './config.ts'
import { FLAGS } from './flags.ts'
import { Mistakes } from './mistakes.ts'
import { DEFAULT, type Settings } from './settings.ts'

/** What all users have together. */
const OF_ALL: Readonly<Record<string, string>> = { 'user-connections': 'connections', 'user-limit-rate': 'limit-rate' }

/** A sentence for each, with both settings as the operator wrote them. What is wrong is passed over: others tell it. */
export function limitsThatNeverHold(settings: Settings): readonly string[] {
  const valueOf = (name: string): number | undefined => {
    const text = settings.get(name)?.values[0]
    return text === undefined ? undefined : new Mistakes().attempt<number | undefined>(() => sizeBytes(name, text))
  }
  return [...settings].flatMap(([name, { scoped, origin }]) => {
    const ofUser = scoped?.table === 'users' ? scoped.name : name
    if (origin === DEFAULT || FLAGS.find(flag => flag.name === ofUser)?.perUser !== true) return []
    const above = [scoped === undefined ? [] : ofUser, OF_ALL[ofUser] ?? []].flat()
    const lower = above.find(each => (valueOf(each) ?? Infinity) < (valueOf(name) ?? 0))
    return lower === undefined ? [] : [sentence(name, lower, settings)]
  })
}

function sentence(name: string, lower: string, settings: Settings): string {
  const [value, lowerValue] = [name, lower].map(each => settings.get(each)?.values[0])
  const by = settings.get(lower)?.origin === DEFAULT ? `the default of ${lower}` : labelOf(lower, settings)
  return `${labelOf(name, settings)} = ${value} never holds: ${by} = ${lowerValue} is lower, and of several limits the smallest holds`
}
