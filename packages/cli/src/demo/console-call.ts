/** Calls one console operation as a browser would; for the two that only a browser's link can start. */
export async function callConsole(webUrl: string, operation: string, input: unknown): Promise<unknown> {
  const response = await fetch(`${webUrl}/trpc/${operation}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'redoubt-csrf': '1' },
    body: JSON.stringify(input),
  })
  const answer = (await response.json()) as { result?: { data: unknown }; error?: { data?: { detail?: string } } }
  if (!response.ok || !answer.result)
    throw new Error(`${operation} was refused: ${answer.error?.data?.detail ?? response.status}`)
  return answer.result.data
}
