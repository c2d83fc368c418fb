/** A browser and its system in two words, from a User-Agent; a hint for people, never a decision. */
export function browserName(userAgent: string): string {
  const browser =
    [
      [/Edg\//, 'Edge'],
      [/Firefox\//, 'Firefox'],
      [/Chrom(e|ium)\//, 'Chrome'],
      [/Safari\//, 'Safari'],
    ].find(([pattern]) => pattern instanceof RegExp && pattern.test(userAgent))?.[1] ?? 'Unknown browser'
  const system =
    [
      [/Android/, 'Android'],
      [/iPhone|iPad/, 'iOS'],
      [/Windows/, 'Windows'],
      [/Mac OS X/, 'macOS'],
      [/Linux/, 'Linux'],
    ].find(([pattern]) => pattern instanceof RegExp && pattern.test(userAgent))?.[1] ?? ''
  return system ? `${browser} on ${system}` : String(browser)
}
