import { type Tlp, tlps } from '@redoubt/contract'

/** Who may see a case, as far as the case itself says. */
export type Audience = {
  readonly tlp: Tlp
  readonly audience: 'organization' | 'named'
  readonly ownerId: string | null
  readonly recipientIds: readonly string[]
}
export type Member = { readonly id: string; readonly role: string }

/** TLP-1 within an organization; policies/cases.cedar and the row policies of `cases` say the same. */
export function sees(member: Member, of: Audience): boolean {
  if (of.tlp === 'RED') return of.recipientIds.includes(member.id)
  return (
    of.audience === 'organization' ||
    member.role === 'admin' ||
    member.role === 'moderator' ||
    of.ownerId === member.id ||
    of.recipientIds.includes(member.id)
  )
}

/** The narrower of two TLP labels. */
export function stricter(a: Tlp, b: Tlp): Tlp {
  return tlps.indexOf(a) >= tlps.indexOf(b) ? a : b
}

/**
 * The audience as it is kept: RED is always `named`, and an audience of the whole organization has no recipients, who
 * would else come back to life the next time it is narrowed.
 */
export function settled(wanted: Audience): Audience {
  const audience = wanted.tlp === 'RED' ? 'named' : wanted.audience
  return { ...wanted, audience, recipientIds: audience === 'named' ? [...new Set(wanted.recipientIds)] : [] }
}

/** What speaks against an audience, as a sentence with the way out; null when nothing does. `person` is who sets it. */
export function refusalOfAudience(person: Member, wanted: Audience): string | null {
  const { tlp, ownerId, recipientIds } = wanted
  if (tlp === 'RED' && recipientIds.length === 0) return 'TLP:RED is for named recipients: name at least one.'
  if (!sees(person, wanted)) return 'You would no longer see this case: put yourself among its recipients.'
  if (tlp === 'RED' && ownerId !== null && !recipientIds.includes(ownerId)) {
    return 'The owner would no longer see this case: put the owner among its recipients, or hand the case over first.'
  }
  return null
}

/**
 * The audience of a case that takes in another. A merge never widens: what was in either case is afterwards seen only by
 * members who could see both. So the stricter TLP and the narrower audience hold; of the owners and recipients of the two,
 * exactly those who could see both stay named; the owner is the target's, else the source's, else nobody, likewise.
 * `members` are the present members among those owners and recipients.
 */
export function mergedAudience(target: Audience, source: Audience, members: readonly Member[]): Audience {
  const seesBoth = new Set(members.filter((member) => sees(member, target) && sees(member, source)).map(({ id }) => id))
  const named = [target.ownerId, source.ownerId, ...target.recipientIds, ...source.recipientIds].filter(
    (id) => id !== null,
  )
  return settled({
    tlp: stricter(target.tlp, source.tlp),
    audience: target.audience === 'named' || source.audience === 'named' ? 'named' : 'organization',
    ownerId: [target.ownerId, source.ownerId].find((id) => id !== null && seesBoth.has(id)) ?? null,
    recipientIds: named.filter((id) => seesBoth.has(id)),
  })
}

/** An audience for the audit log, whose readers need not be among a case's recipients: how many, never who. */
export function counted({ tlp, audience, recipientIds }: Pick<Audience, 'tlp' | 'audience' | 'recipientIds'>) {
  return { tlp, audience, recipients: recipientIds.length }
}
