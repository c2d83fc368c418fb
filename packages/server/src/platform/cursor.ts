import { z } from 'zod'
import { AppError } from './app-error.ts'

/** The sort key of the last row of a page: a moment, and the id that tells rows of one moment apart. */
export type Keyset = { readonly at: Date; readonly id: string }

const Position = z.tuple([z.iso.datetime(), z.uuid()])

/** An opaque cursor, base64url: callers that build their own would freeze the sort order into their code. */
export const cursorOf = ({ at, id }: Keyset): string =>
  Buffer.from(JSON.stringify([at.toISOString(), id])).toString('base64url')

/** @throws AppError bad_request for a cursor that no page has given out */
export function readCursor(cursor: string): Keyset {
  try {
    const [at, id] = Position.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')))
    return { at: new Date(at), id }
  } catch (cause) {
    throw new AppError('bad_request', 'The cursor is not one of ours: pass `next` of the page before, unchanged.', {
      cause,
      fields: [{ path: 'cursor', message: 'must be `next` of the page before' }],
    })
  }
}
