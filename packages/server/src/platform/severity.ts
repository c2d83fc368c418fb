import { type Severity, severities } from '@redoubt/contract'

/** The rank a severity is stored and sorted by: 0 informational to 4 critical. */
export const severityRank = (severity: Severity): number => severities.indexOf(severity)

/** The word of a stored rank. @throws RangeError for a number that is no rank */
export function severityOf(rank: number): Severity {
  const word = severities[rank]
  if (word === undefined) throw new RangeError(`${rank} is not the rank of a severity`)
  return word
}
