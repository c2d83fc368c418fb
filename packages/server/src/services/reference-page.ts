import type { Operation } from '../platform/dispatch.ts'
import type { Server } from '../platform/http.ts'
import { accessText, apiPrefix } from '../platform/rest.ts'

const style = `:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2rem;border-bottom:1px solid}code{font:13px ui-monospace,monospace}li{margin:.75rem 0}small{opacity:.8}`

/** `/api/v1`: every REST operation on one page that needs no script. */
export function mountReference(server: Server, operations: readonly Operation[]): void {
  const page = pageOf(operations.filter(({ spec }) => spec.rest))
  const headers = {
    'content-security-policy':
      "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  }
  server.mount('public: the reference is the same for everybody', {
    method: 'GET',
    url: apiPrefix,
    handler: async (_request, reply) => reply.headers(headers).type('text/html; charset=utf-8').send(page),
  })
  server.mount('public: the reference is the same for everybody', {
    method: 'GET',
    url: `${apiPrefix}/reference.css`,
    handler: async (_request, reply) => reply.type('text/css; charset=utf-8').send(style),
  })
}

function pageOf(operations: readonly Operation[]): string {
  const groups = Map.groupBy(operations, ({ name }) => name.split('.')[0] as string)
  const sections = [...groups].map(
    ([group, members]) =>
      `<section aria-labelledby="${group}"><h2 id="${group}">${group}</h2><ul>${members.map(entryOf).join('')}</ul></section>`,
  )
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Redoubt REST reference</title><link rel="stylesheet" href="${apiPrefix}/reference.css">
<main><h1>Redoubt REST reference</h1>
<p>Sign in with <code>POST ${apiPrefix}/auth/login</code>, then send <code>Authorization: Bearer &lt;accessToken&gt;</code>.
Errors are <code>application/problem+json</code> (RFC 9457). Schemas: <a href="${apiPrefix}/openapi.json">OpenAPI 3.1</a>.</p>
${sections.join('\n')}</main></html>`
}

function entryOf({ name, spec }: Operation): string {
  const rest = spec.rest as NonNullable<typeof spec.rest>
  return `<li><code><b>${rest.method}</b> ${apiPrefix}${rest.path}</code><br>${htmlOf(spec.summary)}<br><small>${name} · ${htmlOf(accessText(spec.access))}</small></li>`
}

function htmlOf(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
