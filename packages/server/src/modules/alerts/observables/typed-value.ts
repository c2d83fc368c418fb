import type { KeyMeaning } from './key-knowledge.ts'
import { isOwnHost } from './own-links.ts'
import { type Emit, emitUrl } from './scan-text.ts'
import { addressOf, baseName, domainOf, emailOf, hashOf, isFilePath, macOf } from './shapes.ts'

/** Reading a value by what its field's name says it is. */

const MAX_NAME = 128
const MAX_PATH = 1024

const UUID_OR_HEX =
  /^(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\{[0-9a-f-]{36}\}|[0-9a-f]{24,}|s-1-\d[\d-]+|true|false)$/i
const OPAQUE =
  /^(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\{[0-9a-f-]{36}\}|s-1-\d[\d-]+|[0-9a-f]{16,}|(?=.*\d)[a-z0-9_-]{24,}|\d+|true|false)$/i

function emitAddress(text: string, emit: Emit): boolean {
  const bare = /^\[?([^\]]*?)\]?(?::\d{1,5})?$/.exec(text)?.[1] ?? text
  const address =
    addressOf(text) ?? (/^(?:[\d.]+:\d{1,5}|\[[^\]]+\](?::\d{1,5})?)$/.test(text) ? addressOf(bare) : null)
  if (address) emit(address)
  return address !== null
}

function emitDomain(text: string, emit: Emit): boolean {
  const domain = domainOf(text.replace(/:\d{1,5}$/, ''))
  if (!domain) return false
  if (!isOwnHost(domain.value)) emit({ type: 'domain', value: domain.value, internal: domain.internal })
  return true
}

/** `CORP\jdoe`, `jdoe@corp.example`, `CN=jdoe,OU=…`, `arn:…:user/jdoe` all name jdoe or his address. */
function accountName(text: string): string {
  const distinguished = /^(?:cn|uid)=([^,]{1,128}),/i.exec(text)
  if (distinguished) return distinguished[1] ?? text
  if (text.startsWith('arn:')) return text.slice(text.lastIndexOf('/') + 1)
  const bare = text.replace(/\\+$/, '')
  return bare.slice(bare.lastIndexOf('\\') + 1)
}

function emitUser(text: string, emit: Emit): boolean {
  if (text.length > 320 || /[<>{}"|\n\t]|:\/\//.test(text)) return false
  if (emitAddress(text, emit)) return true
  const email = emailOf(text.replace(/\\+$/, ''))
  if (email) {
    emit({ type: 'email', value: email })
    emit({ type: 'user', value: email })
    return true
  }
  const name = accountName(text).trim()
  if (name === '' || name.length > MAX_NAME || name.split(' ').length > 4 || OPAQUE.test(name) || /[\\/;,=]/.test(name))
    return true
  emit({ type: 'user', value: name.toLowerCase() })
  return true
}

const HOST_NAME = /^[\p{L}\p{N}_][\p{L}\p{N}._-]{0,252}\$?$/u
/** `Peter’s MacBook Pro`: what a person calls a computer. */
const SPOKEN_NAME = /^(?=.{3,48}$)[\p{L}\p{N}_][\p{L}\p{N}._’'()-]*(?: [\p{L}\p{N}._’'()-]+){1,3}$/u

function emitHost(text: string, emit: Emit): boolean {
  if (emitAddress(text, emit)) return true
  const name = text.replace(/:\d{1,5}$/, '').replace(/\.$/, '')
  if ((!HOST_NAME.test(name) && !SPOKEN_NAME.test(name)) || UUID_OR_HEX.test(name)) return false
  const domain = name.includes('.') ? domainOf(name) : null
  if (domain && isOwnHost(domain.value)) return true
  emit({ type: 'host', value: name.toLowerCase() })
  if (domain?.registrable) emit({ type: 'domain', value: domain.value, internal: domain.internal })
  return true
}

function emitFile(text: string, emit: Emit): boolean {
  if (text.length > MAX_PATH || text.includes('://') || /[\n\t]/.test(text)) return false
  const name = baseName(text)
  if (name === '' || (name.includes(' ') && !/\.\w{1,8}$/.test(name))) return false
  if (name !== text) emit({ type: 'file-path', value: text })
  emit({ type: 'file-name', value: name.toLowerCase() })
  return true
}

/** A path only where it looks like one of a file system: URLs have paths too. */
function emitPath(text: string, kind: 'file-name' | 'process', emit: Emit, declared = false): boolean {
  const local = text.startsWith('file:///') ? text.slice(/^file:\/\/\/[a-z]:/i.test(text) ? 8 : 7) : text
  const path = local.replace(/^"(.*)"$/, '$1')
  const isPath = isFilePath(path) || (declared && /^(?:~?\/|[^/]*\\)/.test(path) && !path.includes('://'))
  if (path.length > MAX_PATH || /[\n\t]/.test(path) || !isPath) return false
  emit({ type: 'file-path', value: path })
  const name = /[\\/]$/.test(path) ? '' : baseName(path)
  if (name) emit({ type: kind, value: name.toLowerCase() })
  return true
}

function emitProcess(text: string, emit: Emit): boolean {
  if (emitPath(text, 'process', emit)) return true
  if (text.length > MAX_NAME || /[\n\t=<>]|:\/\//.test(text)) return false
  const name = baseName(text)
  if (name === '' || OPAQUE.test(name)) return true
  emit({ type: 'process', value: name.toLowerCase() })
  return true
}

function emitUrlValue(text: string, emit: Emit): boolean {
  if (/\s/.test(text)) return false
  if (text.includes('://')) return emitUrl(text, emit)
  const host = text.split(/[/?#]/, 1)[0] ?? ''
  if (host === text || host === '' || !emitDomain(host, emit)) return host === text && emitDomain(host, emit)
  emit({ type: 'url', value: text.replace(host, host.toLowerCase()).slice(0, 2048) })
  return true
}

function emitMacs(text: string, emit: Emit): boolean {
  // The Linux packet filter logs destination, source and type of the frame as one value of 14 octets.
  const frame = /^((?:[0-9a-f]{2}:){5}[0-9a-f]{2}):((?:[0-9a-f]{2}:){5}[0-9a-f]{2}):[0-9a-f]{2}:[0-9a-f]{2}$/i.exec(
    text,
  )
  const found = (frame ? [frame[1] ?? '', frame[2] ?? ''] : [text]).map(macOf).filter((mac) => mac !== null)
  for (const value of found) emit({ type: 'mac', value })
  return found.length > 0
}

/** A whole value that can only be a file's name: programs, scripts, documents and archives by their extension. */
const FILE_BY_SHAPE =
  /^[\p{L}\p{N}_][\p{L}\p{N}_ .()[\]&+-]{0,120}\.(?:exe|dll|sys|scr|bat|cmd|ps1|vbs|vbe|jse|wsf|hta|msi|lnk|jar|apk|dmg|iso|img|docx?|docm|xlsx?|xlsm|pptx?|pptm|pdf|rtf|eml|msg|html?|zip|rar|7z|gz|tgz|cab|tmp|dat)$/iu

/** Emits what the field's meaning says the text is. False when it is not that: then it is searched as text. */
export function readTyped(meaning: KeyMeaning & { launched?: boolean }, text: string, emit: Emit): boolean {
  switch (meaning.kind) {
    case 'user':
      return emitUser(text, emit)
    case 'user-id':
      return OPAQUE.test(text) || emitUser(text, emit)
    case 'host':
      return emitHost(text, emit)
    case 'address':
      return emitAddress(text, emit) || emitMacs(text, emit) || emitDomain(text, emit)
    case 'domain':
      return emitAddress(text, emit) || emitDomain(text, emit)
    case 'url':
      return emitAddress(text, emit) || emitUrlValue(text, emit)
    case 'email': {
      const email = emailOf(text.replace(/^.*<([^<>]+)>$/, '$1'))
      if (email) emit({ type: 'email', value: email })
      return email !== null
    }
    case 'file-name':
      return (meaning.launched && emitProcess(text, emit)) || emitFile(text, emit)
    case 'file-path':
      return emitPath(text, meaning.launched ? 'process' : 'file-name', emit, true)
    case 'path':
      return emitPath(text, meaning.launched ? 'process' : 'file-name', emit)
    case 'process':
      return emitProcess(text, emit)
    case 'process-path':
      return emitPath(text, 'process', emit, true)
    case 'hash': {
      const hash = hashOf(text)
      if (hash) emit(hash)
      return hash !== null
    }
    case 'mac':
      return emitMacs(text, emit)
    case 'asn': {
      const number = /^AS?N?\s?(\d{1,10})$/i.exec(text)?.[1] ?? (/^\d{1,10}$/.test(text) ? text : null)
      if (number) emit({ type: 'asn', value: `AS${number}` })
      return number !== null
    }
    case 'text':
      return FILE_BY_SHAPE.test(text) && emitFile(text, emit)
    default:
      return false
  }
}
