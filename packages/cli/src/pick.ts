import type { CaseSummary, Member, Source } from '@redoubt/contract'
import type { Client } from '@redoubt/sdk'
import { z } from 'zod'
import { CommandError } from './command-error.ts'

/*
 * People name things as they say them: an e-mail address, a slug, a case number. Each function finds what is meant, and
 * throws a CommandError that says how to look it up.
 */

const isId = (text: string): boolean => z.uuid().safeParse(text).success

/** A member by e-mail address or id. */
export async function pickMember(client: Client, user: string): Promise<Member> {
  const { items } = await client.members.list()
  const member = items.find(({ userId, email }) => userId === user || email.toLowerCase() === user.toLowerCase())
  if (member) return member
  throw new CommandError(`No member is called "${user}": redoubt user list shows their addresses and ids.`)
}

/** A source by slug or id. */
export async function pickSource(client: Client, source: string): Promise<Source> {
  const { items } = await client.sources.list()
  const found = items.find(({ id, slug }) => id === source || slug === source)
  if (found) return found
  throw new CommandError(`No source is called "${source}": redoubt source list shows them.`)
}

/** The id of a case, given it or its number. */
export async function pickCase(client: Client, text: string): Promise<CaseSummary['id']> {
  if (isId(text)) return text as CaseSummary['id']
  const number = Number(text.replace(/^#/, ''))
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new CommandError(`"${text}" is neither the number of a case nor its id.`, { exitCode: 2 })
  }
  for await (const each of client.items(client.cases.list, { limit: 200 })) if (each.number === number) return each.id
  throw new CommandError(`There is no case ${number} that you may see: redoubt case list shows those you may.`)
}

/** The first `limit` items of a list that comes in pages. */
export async function firstItems<T>(items: AsyncIterable<T>, limit: number): Promise<T[]> {
  const first: T[] = []
  for await (const item of items) if (first.push(item) >= limit) break
  return first
}
