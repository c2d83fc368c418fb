/** An operation that answers one page and the cursor of the next. */
export type ListMethod = (...args: never[]) => Promise<{ items: unknown[]; next: string | null }>
type InputOf<L extends ListMethod> = NonNullable<Parameters<L>[0]>
type ItemOf<L extends ListMethod> = Awaited<ReturnType<L>>['items'] extends (infer T)[] ? T : never

/** The pages of a list, each fetched when the one before has been used. */
export async function* pages<L extends ListMethod>(list: L, input: InputOf<L>): AsyncGenerator<ItemOf<L>[], void> {
  const fetchPage = list as unknown as (input: object) => Promise<{ items: ItemOf<L>[]; next: string | null }>
  let next: string | null = null
  do {
    const page = await fetchPage(next === null ? input : { ...(input as object), cursor: next })
    yield page.items
    next = page.next
  } while (next !== null)
}

/** The items of a list, page after page. */
export async function* items<L extends ListMethod>(list: L, input: InputOf<L>): AsyncGenerator<ItemOf<L>, void> {
  for await (const page of pages(list, input)) yield* page
}
