/*
 * `redoubt-20260102T030405Z-<archive id>.backup`: in order of time when sorted, and never another program's file. Nothing
 * else in a folder or bucket is listed, opened or removed.
 */

const SHAPE = /^redoubt-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.backup$/

export type ArchiveName = { readonly name: string; readonly archiveId: string; readonly createdAt: Date }

/** To the second. */
export function archiveName(createdAt: Date, archiveId: string): string {
  const at = createdAt
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:]/g, '')
  return `redoubt-${at}-${archiveId}.backup`
}

/** What a name of {@link archiveName} says; null for any other. */
export function parseArchiveName(name: string): ArchiveName | null {
  const match = SHAPE.exec(name)
  if (match === null) return null
  const [, year, month, day, hour, minute, second, archiveId] = match
  const createdAt = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(createdAt.getTime()) ? null : { name, archiveId: archiveId as string, createdAt }
}
