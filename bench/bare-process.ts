import Fastify from 'fastify'
import { serveParent } from './child.ts'

/* What Node with an HTTP server takes before it does anything: the reference for resident memory. */
const app = Fastify({ logger: false })
app.get('/', async () => 'ok')
await app.listen({ host: '127.0.0.1', port: 0 })
serveParent('ready', () => app.close())
