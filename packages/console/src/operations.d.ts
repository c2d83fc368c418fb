declare module 'virtual:operations' {
  import type { Permission } from '@redoubt/contract'

  export type CatalogueEntry = {
    readonly name: string
    readonly summary: string
    /** Null where any signed-in person may. */
    readonly permission: Permission | null
  }
  export const operations: readonly CatalogueEntry[]
  export const permissionWords: Readonly<Record<Permission, string>>
}
