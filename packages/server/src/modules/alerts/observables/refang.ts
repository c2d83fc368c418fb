/** Indicators in reports are defanged, so that nobody clicks on them; matching needs them whole. */

const SCHEME = /\b(?:h[x*]{2}p|h\[tt\]p)(s?)(?=\[?:)/gi
const FTP = /\bfxp(?=:\/\/|\[:)/gi
const DOT = /\s?(?:\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)|\{dot\}|\[\.(?=\w)|(?<=\w)\.\])\s?/gi
const AT = /\s?(?:\[@\]|\(@\)|\{@\}|\[at\]|\(at\)|\{at\})\s?/gi
const COLON = /\[:\](?=\/\/)|\[:(?=\/\/)/g
const SLASHES = /\[:\/\/\]|\[:\]\/\/|:\[\/\/\]|\[\/\]/g

function couldBeDefanged(text: string): boolean {
  return /[[({]|xxp|\*\*p|fxp/i.test(text)
}

/** Undoes the usual ways to defang: `hxxp`, `[.]`, `(dot)`, `[@]`, `[:]//`. Leaves other text as it is. */
export function refang(text: string): string {
  if (!couldBeDefanged(text)) return text
  return text
    .replace(SLASHES, (found) => (found === '[/]' ? '/' : '://'))
    .replace(COLON, ':')
    .replace(SCHEME, (_, secure: string) => `http${secure.toLowerCase()}`)
    .replace(FTP, 'ftp')
    .replace(DOT, '.')
    .replace(AT, '@')
}

/** Makes indicators in a text unclickable: `http` becomes `hxxp`, `.` becomes `[.]`, `@` becomes `[@]`. */
export function defang(text: string): string {
  return text
    .replace(/\bhttp(s?):\/\//g, 'hxxp$1://')
    .replace(/(?<=[\w-])\.(?=[\w-])/g, '[.]')
    .replace(/(?<=[\w.+-])@(?=[\w-])/g, '[@]')
}
