import { errorTable, Problem } from '@redoubt/contract'
import { z } from 'zod'
import type { Operation } from './dispatch.ts'
import { accessText, apiPrefix } from './rest.ts'

/** OpenAPI 3.1 of the REST operations, made from their specs. */
export function openApiOf(operations: readonly Operation[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const { name, spec } of operations) {
    const { rest } = spec
    if (!rest) continue
    const schema = jsonSchema(spec.input, 'input')
    const properties = (schema.properties ?? {}) as Record<string, unknown>
    const required = new Set((schema.required ?? []) as string[])
    const inPath = [...rest.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string)
    const elsewhere = Object.keys(properties).filter((key) => !inPath.includes(key))
    const inQuery = rest.method === 'GET' || rest.method === 'DELETE' ? elsewhere : []
    const inBody = rest.method === 'GET' || rest.method === 'DELETE' ? [] : elsewhere
    paths[rest.path] = {
      ...paths[rest.path],
      [rest.method.toLowerCase()]: {
        operationId: name,
        tags: [name.split('.')[0]],
        summary: spec.summary,
        description: `Access: ${accessText(spec.access)}`,
        security: 'public' in spec.access ? [] : 'machine' in spec.access ? [{ runner: [] }] : [{ bearer: [] }],
        parameters: [
          ...inPath.map((key) => ({ name: key, in: 'path', required: true, schema: properties[key] })),
          ...inQuery.map((key) => ({ name: key, in: 'query', required: required.has(key), schema: properties[key] })),
        ],
        ...(inBody.length > 0
          ? {
              requestBody: {
                required: true,
                content: {
                  'application/json': {
                    schema: {
                      type: 'object',
                      properties: Object.fromEntries(inBody.map((key) => [key, properties[key]])),
                      required: inBody.filter((key) => required.has(key)),
                    },
                  },
                },
              },
            }
          : {}),
        responses: {
          200: { description: 'Done', content: { 'application/json': { schema: jsonSchema(spec.output, 'output') } } },
          default: {
            description: 'A problem',
            content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
          },
        },
      },
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Redoubt',
      version,
      description: `REST for integrations. Errors are RFC 9457 problems with one of the codes ${Object.keys(errorTable).join(', ')}.`,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: apiPrefix }],
    paths,
    components: {
      schemas: { Problem: jsonSchema(Problem, 'output') },
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'The accessToken of POST /auth/login',
        },
        runner: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description: '`Runner <token>`, signed by the runner’s own key',
        },
      },
    },
  }
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<
    string,
    unknown
  >
  return rest
}
