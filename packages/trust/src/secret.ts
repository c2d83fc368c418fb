import { inspect } from 'node:util'

const MASK = '[secret]'

/** A value that logs, errors and JSON show as `[secret]`. The only way to it is {@link Secret.reveal}. */
export class Secret<T> {
  // A private field: neither spreading, JSON nor a debugger's property list of the object copies it.
  readonly #value: T

  constructor(value: T) {
    this.#value = value
  }

  reveal(): T {
    return this.#value
  }

  toString(): string {
    return MASK
  }

  toJSON(): string {
    return MASK
  }

  [Symbol.toPrimitive](): string {
    return MASK
  }

  [inspect.custom](): string {
    return MASK
  }
}
