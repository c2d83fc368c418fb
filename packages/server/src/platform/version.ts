import manifest from '../../package.json' with { type: 'json' }

/** Of this product, as services report it. */
export const productVersion: string = manifest.version
