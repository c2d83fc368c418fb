/** The part of s3rver that the tests use; the package carries no types. */
declare module 's3rver' {
  class S3rver {
    constructor(options: {
      port: number
      address: string
      silent: boolean
      directory: string
      vhostBuckets: boolean
      configureBuckets: readonly { name: string; configs: readonly string[] }[]
    })
    run(): Promise<{ port: number }>
    close(): Promise<void>
  }

  // biome-ignore lint/style/noDefaultExport: this is how the package exports it
  export { S3rver as default }
}
