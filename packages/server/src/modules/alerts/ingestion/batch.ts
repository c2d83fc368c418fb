import { hash, isUtf8 } from 'node:buffer'
