import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

/**
 * `virtual:operations`: name, summary and permission of every operation the console may call, taken from the contract
 * while building. The palette needs the words, not the schemas, so no validator is shipped to the browser.
 */
function operationCatalogue(): Plugin {
  const id = 'virtual:operations'
  return {
    name: 'redoubt-operation-catalogue',
    resolveId: (source) => (source === id ? `\0${id}` : undefined),
    async load(source) {
      if (source !== `\0${id}`) return undefined
      const { contract, permissions } = await import('@redoubt/contract')
      const operations = Object.entries(contract).flatMap(([group, specs]) =>
        Object.entries(specs)
          .filter(([, spec]) => !('rpc' in spec))
          .map(([name, spec]) => ({
            name: `${group}.${name}`,
            summary: spec.summary,
            permission: 'permission' in spec.access ? spec.access.permission : null,
          })),
      )
      return `export const operations = ${JSON.stringify(operations)}\nexport const permissionWords = ${JSON.stringify(permissions)}`
    },
  }
}

export default defineConfig({
  plugins: [react(), tailwindcss(), operationCatalogue()],
  build: {
    target: ['chrome125', 'firefox128', 'safari17.5'],
    // A data: URL would need its own source in the policy; every asset is a file of our origin.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    reportCompressedSize: false,
    manifest: true,
  },
  server: {
    port: 5173,
    proxy: { '/trpc': 'http://127.0.0.1:3000', '/events': 'http://127.0.0.1:3000' },
  },
})
