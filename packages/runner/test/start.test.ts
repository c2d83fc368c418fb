import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createOpaqueToken, parseEnrolmentToken } from '@redoubt/trust'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { step } from './fake-target.ts'
import { RunnerFixture } from './runner-fixture.ts'
import { RunnerProcess } from './runner-process.ts'

describe('the runner process', () => {
  let fixture: RunnerFixture
  let processes: RunnerProcess[]
  beforeEach(async () => {
    fixture = await new RunnerFixture().prepare()
    processes = []
  })
  afterEach(async () => {
    await Promise.all(processes.map((one) => one.kill('SIGKILL')))
    await fixture.close()
  })
  const launch = (environment: Readonly<Record<string, string>> = {}, args: readonly string[] = []) => {
    const runner = new RunnerProcess(fixture.home, environment, args)
    processes.push(runner)
    return runner
  }
  const refusal = async (runner: RunnerProcess) => {
    expect(await runner.exit).toBe(1)
    expect(runner.stderr.trim().split('\n')).toHaveLength(1)
    return runner.stderr
  }

  it('enrols once, keeps its key to itself, and forgets the token', async () => {
    await launch().ready()
    const mode = (name: string) => statSync(join(fixture.home, name)).mode & 0o777
    expect(mode('runner-key.json')).toBe(0o600)
    expect(mode('identity.json')).toBe(0o600)
    expect(mode('certificate.json')).toBe(0o600)
    expect(mode('.')).toBe(0o700)
    expect(existsSync(join(fixture.home, 'enrolment.json'))).toBe(false)
    for (const name of readdirSync(fixture.home)) {
      const { token } = parseEnrolmentToken(fixture.controlPlane.enrolmentToken)
      expect(readFileSync(join(fixture.home, name), 'latin1')).not.toContain(token)
    }
  })

  it('without an enrolment waits, takes no plan, and enrols when one is put into its home', async () => {
    const { controlPlane, home } = fixture
    rmSync(join(home, 'enrolment.json'))
    const runner = launch()
    await runner.line('not enrolled: waiting')
    const url = (await runner.line('runner listening on')).split(' ').at(-1) ?? ''
    const plan = controlPlane.plan([step.transform('a', { x: '1' })])
    await expect(controlPlane.push(url, plan)).rejects.toThrow()
    const enrolment = { controlPlane: controlPlane.url, token: controlPlane.enrolmentToken }
    writeFileSync(join(home, 'enrolment.json'), JSON.stringify(enrolment))
    await runner.ready()
    expect(await controlPlane.push(url, plan)).toMatchObject({ status: 202 })
  })

  it('enrols with --enrol URL TOKEN', async () => {
    const { controlPlane, home } = fixture
    rmSync(join(home, 'enrolment.json'))
    await launch({}, ['--enrol', controlPlane.url, controlPlane.enrolmentToken]).ready()
    expect(await refusal(launch({}, ['--enrol', 'nowhere']))).toContain('--enrol CONTROL_PLANE_URL TOKEN')
    expect(await refusal(launch({}, ['--enrol', 'http://127.0.0.1:1', controlPlane.enrolmentToken]))).toContain(
      'https://',
    )
    expect(await refusal(launch({}, ['--help-me']))).toContain('--help-me')
  })

  it('takes the token from a file or from standard input, and out of the list of processes', async () => {
    const { controlPlane, home } = fixture
    const other = await new RunnerFixture().prepare()
    const file = join(other.home, 'token')
    writeFileSync(file, `${controlPlane.enrolmentToken}\n`)
    rmSync(join(home, 'enrolment.json'))
    expect(await refusal(launch({}, ['--enrol', controlPlane.url, '--token-file', '/nowhere']))).toContain('/nowhere')
    const runner = launch({}, ['--enrol', controlPlane.url, '--token-file', file])
    await runner.ready()
    expect(runner.child.spawnargs.join(' ')).not.toContain(controlPlane.enrolmentToken)

    rmSync(join(other.home, 'enrolment.json'))
    const args = ['--enrol', other.controlPlane.url, '--token-file', '-']
    const fed = new RunnerProcess(other.home, {}, args, `${other.controlPlane.enrolmentToken}\n`)
    processes.push(fed)
    await fed.ready()
    await fed.kill('SIGTERM')
    await other.close()
  })

  it('says so when its token is refused, and goes on with a new one', async () => {
    const { controlPlane, home } = fixture
    const pins = controlPlane.enrolmentToken.replace(/^[^~]*/, '')
    const enrolment = { controlPlane: controlPlane.url, token: createOpaqueToken('run') + pins }
    writeFileSync(join(home, 'enrolment.json'), JSON.stringify(enrolment))
    const runner = launch()
    await runner.line('the enrolment token was refused')
    writeFileSync(join(home, 'enrolment.json'), JSON.stringify({ ...enrolment, token: controlPlane.enrolmentToken }))
    await runner.ready()
  })

  it('refuses a home that another runner uses', async () => {
    await launch().ready()
    expect(await refusal(launch())).toContain('another runner uses the home')
  })

  it('refuses a port that is taken', async () => {
    const squatter = createServer()
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve))
    const port = String((squatter.address() as AddressInfo).port)
    expect(await refusal(launch({ REDOUBT_RUNNER_PORT: port }))).toContain(`port ${port} is taken`)
    squatter.close()
  })

  it('refuses a damaged identity, a lost key, and a key that others can read', async () => {
    const first = launch()
    await first.ready()
    await first.kill('SIGTERM')
    const key = join(fixture.home, 'runner-key.json')
    const identity = join(fixture.home, 'identity.json')
    const [goodKey, goodIdentity] = [readFileSync(key), readFileSync(identity)]
    chmodSync(key, 0o644)
    expect(await refusal(launch())).toContain('chmod 600')
    chmodSync(key, 0o600)
    const certificate = join(fixture.home, 'certificate.json')
    chmodSync(certificate, 0o640)
    expect(await refusal(launch())).toContain('certificate.json can be read by others')
    chmodSync(certificate, 0o600)
    writeFileSync(key, '{}')
    expect(await refusal(launch())).toContain("does not hold the runner's key")
    rmSync(key)
    expect(await refusal(launch())).toContain('runner-key.json is not')
    writeFileSync(key, goodKey, { mode: 0o600 })
    writeFileSync(identity, '{"runnerId": 1}')
    expect(await refusal(launch())).toContain('identity.json is not valid')
    writeFileSync(identity, goodIdentity)
    await launch().ready()
  })

  it('refuses configuration that is wrong, and names it', async () => {
    expect(await refusal(launch({ REDOUBT_RUNNER_PORT: 'many' }))).toContain('REDOUBT_RUNNER_PORT')
    expect(await refusal(launch({ REDOUBT_RUNNER_CONTROL_PLANE: 'http://127.0.0.1:1' }))).toContain('use https://')
    expect(await refusal(launch({ REDOUBT_RUNNER_CONTROL_PLANE: 'ftp://x' }))).toContain('REDOUBT_RUNNER_CONTROL_PLANE')
  })
})
