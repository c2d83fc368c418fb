/* autocannon ships no types; these are what the bench uses of it. */
declare module 'autocannon' {
  type Options = {
    readonly url: string
    readonly connections: number
    /** Seconds. */
    readonly duration: number
    readonly headers?: Readonly<Record<string, string>>
  }
  type Result = {
    readonly requests: { readonly total: number }
    /** Milliseconds. */
    readonly latency: { readonly p99: number }
    /** Seconds. */
    readonly duration: number
    readonly '2xx': number
    readonly non2xx: number
    readonly errors: number
  }
  function autocannon(options: Options): Promise<Result>
  export = autocannon
}
