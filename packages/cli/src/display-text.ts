/*
 * Titles, names and error details are written by strangers: an alert's title could carry escape sequences that repaint
 * the terminal, or direction marks that make one word read as another.
 */

// Zero-width joiners stay: scripts and emoji need them, and a terminal does nothing else on seeing one.
const unsafe = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** One line that is safe to print: line ends and tabs become spaces, other control and format characters `\u{…}`. */
export function displayText(text: string): string {
  return text
    .replaceAll(/[\r\n\t]+/g, ' ')
    .replaceAll(unsafe, (character) => `\\u{${(character.codePointAt(0) as number).toString(16)}}`)
}

/** JSON that is safe to print on a terminal too: what `JSON.stringify` leaves raw is escaped, the value is the same. */
export function displayJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replaceAll(unsafe, (character) =>
    character === '\n'
      ? character
      : [...Array(character.length).keys()]
          .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
          .join(''),
  )
}

const wide =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]/u
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** How many columns a terminal uses for a text. */
export function displayWidth(text: string): number {
  let width = 0
  for (const { segment } of graphemes.segment(text)) width += wide.test(segment) ? 2 : 1
  return width
}

/** The text in at most `width` columns, with an ellipsis where it was cut. */
export function shorten(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let used = 0
  for (const { segment } of graphemes.segment(text)) {
    used += displayWidth(segment)
    if (used > width - 1) break
    kept += segment
  }
  return `${kept.trimEnd()}…`
}
