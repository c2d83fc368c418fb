/** What the doctor looked at, what it found, and, unless all is well, how to mend it. */
export type Check = {
  readonly id: string
  readonly title: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly found: string
  readonly mend: string | null
}

/** Makes the three outcomes of one check. */
export const check = (id: string, title: string) => ({
  ok: (found: string): Check => ({ id, title, status: 'ok', found, mend: null }),
  warn: (found: string, mend: string): Check => ({ id, title, status: 'warn', found, mend }),
  fail: (found: string, mend: string): Check => ({ id, title, status: 'fail', found, mend }),
})
