import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

/** The real runner, as its operator starts it. */
export class RunnerProcess {
  readonly child: ChildProcess
  readonly exit: Promise<number | null>
  stderr = ''
  readonly #lines: string[] = []
  #arrived: (() => void)[] = []

  constructor(
    home: string,
    environment: Readonly<Record<string, string>> = {},
    args: readonly string[] = [],
    input?: string,
  ) {
    this.child = spawn(process.execPath, [main, ...args], {
      env: { REDOUBT_RUNNER_HOME: home, REDOUBT_RUNNER_PORT: '0', ...environment },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    this.child.stdin?.end(input)
    this.child.stderr?.on('data', (chunk) => {
      this.stderr += chunk
    })
    if (this.child.stdout !== null) {
      createInterface(this.child.stdout).on('line', (line) => {
        this.#lines.push(line)
        for (const wake of this.#arrived.splice(0)) wake()
      })
    }
    this.exit = once(this.child, 'close').then(([code]) => code as number | null)
  }

  /** The first line of the output with this text in it. */
  async line(text: string): Promise<string> {
    for (;;) {
      const found = this.#lines.find((line) => line.includes(text))
      if (found !== undefined) return found
      await Promise.race([
        new Promise<void>((resolve) => this.#arrived.push(resolve)),
        this.exit.then((code) => Promise.reject(new Error(`the runner ended with ${code}: ${this.stderr}`))),
      ])
    }
  }

  /** The address it listens on, once it is enrolled. */
  async ready(): Promise<string> {
    const url = (await this.line('runner listening on')).split(' ').at(-1) ?? ''
    await this.line('the runner is enrolled')
    return url
  }

  async kill(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal)
    return this.exit
  }
}
