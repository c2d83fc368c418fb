/** A shell command that sends a first alert to a source. Every kind of source takes it, whatever its own format is. */
export function curlOf(url: string, token: string): string {
  const alert = JSON.stringify({ title: 'Hello from curl', severity: 'low', host: 'my-laptop' })
  return [
    `curl -sS ${url} \\`,
    `  -H 'Authorization: Bearer ${token}' \\`,
    "  -H 'Content-Type: application/json' \\",
    `  -d '${alert}'`,
  ].join('\n')
}
