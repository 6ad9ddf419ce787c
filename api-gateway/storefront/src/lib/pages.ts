import { useInfiniteQuery, type QueryKey } from '@tanstack/react-query'

type PageOf<T> = { items: T[]; next_page_token: string | null }

/** Reads a list page by page, and again every refetchInterval milliseconds. next is there while there is more. */
export function usePages<T>(queryKey: QueryKey, read: (page_token: string | undefined, signal: AbortSignal) => Promise<PageOf<T>>, refetchInterval: number | false = false) {
  const list = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam, signal }) => read(pageParam || undefined, signal),
    initialPageParam: '',
    getNextPageParam: (last) => last.next_page_token || undefined,
    refetchInterval,
  })
  return {
    items: list.data?.pages.flatMap((page) => page.items),
    error: list.error,
    retry: () => void list.refetch(),
    next: list.hasNextPage ? () => void list.fetchNextPage() : undefined,
    busy: list.isFetchingNextPage,
  }
}
