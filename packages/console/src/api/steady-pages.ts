import { type InfiniteData, useInfiniteQuery } from '@tanstack/react-query'
import { useEffect, useEffectEvent, useMemo, useState } from 'react'
import { type Topic, useTopic } from './live.ts'
import { useApi } from './session.tsx'

type Page<T> = { readonly items: readonly T[]; readonly next: string | null }

type Options<T> = {
  /** Identifies the list with its filters. */
  key: readonly unknown[]
  load: (cursor: string | undefined) => Promise<Page<T>>
  idOf: (row: T) => string
  /** The live topic whose changes may touch this list. */
  topic: Topic
}

export type SteadyPages<T> = {
  readonly rows: readonly T[]
  readonly isPending: boolean
  readonly error: unknown
  readonly hasMore: boolean
  readonly loadMore: () => void
  /** What has changed above or among the rows since they were loaded, and is not shown yet. */
  readonly arrived: { readonly fresh: number; readonly gone: number }
  readonly showArrived: () => void
  readonly reload: () => void
  /** Changes rows in place; `null` takes one out. */
  readonly revise: (ids: ReadonlySet<string>, change: (row: T) => T | null) => void
}

const nothing = { fresh: 0, gone: 0 }

/**
 * A list by keyset pages that never moves by itself. When its topic changes, the first page is read again quietly: rows
 * on screen take their new values where they stand, while new and departed rows only raise a count until the person
 * asks to see them. An empty list has nothing that could move and fills by itself.
 */
export function useSteadyPages<T>({ key, load, idOf, topic }: Options<T>): SteadyPages<T> {
  const { queries } = useApi()
  const queryKey = useMemo(() => ['steady', ...key], [key])
  const [arrived, setArrived] = useState(nothing)
  const query = useInfiniteQuery(
    {
      queryKey,
      queryFn: ({ pageParam }) => load(pageParam),
      initialPageParam: undefined as string | undefined,
      getNextPageParam: (page) => page.next ?? undefined,
      staleTime: Number.POSITIVE_INFINITY,
    },
    queries,
  )
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data])

  const write = (change: (row: T) => T | null) =>
    queries.setQueryData<InfiniteData<Page<T>, string | undefined>>(queryKey, (data) =>
      data
        ? {
            ...data,
            pages: data.pages.map((page) => ({
              ...page,
              items: page.items.flatMap((row) => {
                const next = change(row)
                return next === null ? [] : [next]
              }),
            })),
          }
        : data,
    )
  const show = (page: Page<T>) => {
    setArrived(nothing)
    queries.setQueryData<InfiniteData<Page<T>, string | undefined>>(queryKey, {
      pages: [page],
      pageParams: [undefined],
    })
  }
  const look = async () => {
    const shown = queries.getQueryData<InfiniteData<Page<T>, string | undefined>>(queryKey)
    if (!shown) return
    const page = await load(undefined).catch(() => null)
    if (page === null) return
    // Nothing is on screen that could move.
    if (shown.pages.every((each) => each.items.length === 0) && page.items.length > 0) return show(page)
    const newest = new Map(page.items.map((row) => [idOf(row), row]))
    const known = shown.pages.flatMap((each) => each.items)
    const ids = new Set(known.map(idOf))
    const kept = page.items.filter((row) => ids.has(idOf(row))).length
    // Rows further down than the new first page reaches may be missing from it without having gone anywhere.
    const reach = page.next === null ? known : known.slice(0, kept)
    write((row) => newest.get(idOf(row)) ?? row)
    setArrived({
      fresh: page.items.length - kept,
      gone: reach.filter((row) => !newest.has(idOf(row))).length,
    })
  }
  useTopic(topic, () => void look())

  const isShown = query.data !== undefined
  const lookAgain = useEffectEvent(() => {
    setArrived(nothing)
    if (isShown) void look()
  })
  // biome-ignore lint/correctness/useExhaustiveDependencies: the list of another key begins anew
  useEffect(() => lookAgain(), [queryKey])

  const reload = () => {
    setArrived(nothing)
    void queries.resetQueries({ queryKey })
  }
  return {
    rows,
    isPending: query.isPending,
    error: query.isError && rows.length === 0 ? query.error : null,
    hasMore: query.hasNextPage,
    loadMore: () => {
      if (!query.isFetchingNextPage) void query.fetchNextPage()
    },
    arrived,
    showArrived: async () => {
      const page = await load(undefined).catch(() => null)
      if (page === null) return reload()
      show(page)
    },
    reload,
    revise: (ids, change) => write((row) => (ids.has(idOf(row)) ? change(row) : row)),
  }
}
