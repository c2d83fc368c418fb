/*
 * A typed client of Redoubt's REST API, made at run time from the contract alone:
 *
 *   const client = createClient({ url: 'https://soc.example.com', credentials: { email, password } })
 *   const opened = await client.cases.open({ title: 'Beacon on fin-07', severity: 'high' })
 *   for await (const alert of client.items(client.alerts.list, { state: 'new' })) …
 *
 * What is refused throws a RedoubtProblem (RFC 9457).
 */
export { type Client, type ClientOptions, createClient } from './client.ts'
export type { ListMethod } from './pages.ts'
export { problemOf, RedoubtProblem } from './problem.ts'
export type { Credentials, Tokens } from './token-session.ts'
