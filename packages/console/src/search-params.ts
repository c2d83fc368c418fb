import type { AlertState, Phase, RotatableKey, RunState, Severity } from '@redoubt/contract'
import { alertStateWords, keysOf, keyWords, phases, runStateWords, severities } from './components/words.ts'

/*
 * What a URL may say about a page. An address can be typed by anybody, so whatever is not understood is left out.
 */

type Raw = Readonly<Record<string, unknown>>

const text = (value: unknown, max = 512): string | undefined =>
  (typeof value === 'string' || typeof value === 'number') && String(value) !== ''
    ? String(value).slice(0, max)
    : undefined
const oneOf = <K extends string>(value: unknown, known: readonly K[]): K | undefined =>
  known.find((each) => each === value)
const someOf = <K extends string>(value: unknown, known: readonly K[]): K[] | undefined => {
  const given = Array.isArray(value) ? value : [value]
  const found = known.filter((each) => given.includes(each))
  return found.length > 0 ? found : undefined
}
/** Drops what is undefined, so that it does not appear in the address. */
const present = <T extends Raw>(search: T) =>
  Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }

export const inboxStates = [...keysOf(alertStateWords), 'any'] as const
export type InboxState = AlertState | 'any'

export const inboxSearch = (raw: Raw) =>
  present({
    /** `new` when absent. */
    state: oneOf<InboxState>(raw['state'], inboxStates),
    severity: someOf<Severity>(raw['severity'], severities),
    source: text(raw['source'], 36),
    /** `me`, `nobody`, or a member's id. */
    assignee: text(raw['assignee'], 36),
    search: text(raw['search'], 100),
    observable: text(raw['observable']),
    /** The alert in the drawer. */
    alert: text(raw['alert'], 36),
  })
export type InboxSearch = ReturnType<typeof inboxSearch>

export const caseViews = ['open', 'mine', 'all'] as const
export const casesSearch = (raw: Raw) =>
  present({
    /** `open` when absent. */
    show: oneOf(raw['show'], caseViews),
    severity: someOf<Severity>(raw['severity'], severities),
    phase: oneOf<Phase>(raw['phase'], phases),
    search: text(raw['search'], 100),
    do: oneOf(raw['do'], ['open']),
  })
export type CasesSearch = ReturnType<typeof casesSearch>

export const runsSearch = (raw: Raw) => present({ state: oneOf<RunState>(raw['state'], keysOf(runStateWords)) })
export const auditSearch = (raw: Raw) =>
  present({
    action: text(raw['action'], 80),
    actor: text(raw['actor'], 80),
    target: text(raw['target'], 80),
    /** The event in the drawer. */
    event: text(raw['event'], 36),
  })
export const playbooksSearch = (raw: Raw) => present({ archived: raw['archived'] === true ? true : undefined })
export const inviteSearch = (raw: Raw) => present({ do: oneOf(raw['do'], ['invite']) })
export const createSearch = (raw: Raw) => present({ do: oneOf(raw['do'], ['create']) })
export const keysSearch = (raw: Raw) => present({ rotate: oneOf<RotatableKey>(raw['rotate'], keysOf(keyWords)) })
export const secretsSearch = (raw: Raw) =>
  present({
    do: oneOf(raw['do'], ['set', 'remove']),
    /** Of the secret to replace or to remove. */
    path: text(raw['path'], 200),
  })
export const servicesSearch = (raw: Raw) =>
  present({
    /** A SPIFFE id or a serial. */
    deny: text(raw['deny'], 2048),
  })
export const tokenSearch = (raw: Raw) => present({ token: text(raw['token'], 200) })
/** Only a path of this console may be returned to after sign-in; anything else would be an open redirect. */
export const signInSearch = (raw: Raw) => {
  const to = text(raw['to'], 2000)
  return present({ to: to && /^\/o\/[^\\]*$/.test(to) ? to : undefined })
}
