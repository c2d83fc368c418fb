const email = /[\p{L}\p{N}._%+'-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+/gu
/** IPv4 addresses and dates: made of digits and dots or hyphens too, but a responder has to see them. */
const kept = /((?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)|(?<!\d)\d{4}-\d{2}-\d{2}(?!\d))/
/** Digits with the usual separators, not part of a longer word, path, IPv6 address or hash. */
const number = /(?:(?<![\p{L}\p{N}._/-])\+|(?<![\p{L}\p{N}._:/+-]))\(?\d[\d\s().-]{5,}\d(?![.-]?[\p{L}\p{N}]|[_:/])/gu

/**
 * PLAN-4: what leaves the runner carries no e-mail address and nothing that looks like a telephone number (8 to 15
 * digits, E.164).
 */
export const maskPersonalData = (text: string): string =>
  text
    .replace(email, '[e-mail]')
    .split(kept)
    .map((piece, index) => (index % 2 === 1 ? piece : piece.replace(number, maskNumber)))
    .join('')

const maskNumber = (found: string): string => {
  const digits = found.replaceAll(/\D/g, '').length
  return digits >= 8 && digits <= 15 ? '[number]' : found
}
