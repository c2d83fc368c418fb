/** Number of single-character edits between two short words (Levenshtein). */
const edits = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/** `; did you mean "url"?` when a known word is near, else the list of known words. */
export const suggestion = (word: string, known: readonly string[]): string => {
  const short = word.slice(0, 60)
  const nearest = known
    .map((candidate) => ({ candidate, distance: edits(short.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0]
  if (nearest !== undefined && nearest.distance <= Math.max(1, Math.floor(nearest.candidate.length / 3))) {
    return `; did you mean "${nearest.candidate}"?`
  }
  return known.length === 0 ? '' : `; known here: ${known.join(', ')}`
}
