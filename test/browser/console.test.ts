import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KeeperError } from '../../packages/server/src/keeper/keeper-error.ts'
import { issueSetUpLink } from '../../packages/server/src/modules/identity/index.ts'
import { openCase, sourceOf } from '../../packages/server/test/cases-fixture.ts'
import { type BrowserFixture, startBrowserFixture } from './platform-fixture.ts'
import { seriousFindings, type WatchedPage } from './watched-page.ts'

let f: BrowserFixture
let team: Awaited<ReturnType<BrowserFixture['tenant']>>
let source: Awaited<ReturnType<typeof sourceOf>>
const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true } as const

beforeAll(async () => {
  f = await startBrowserFixture()
  team = await f.tenant()
  source = await sourceOf(f.t, team.admin)
  await source.send(
    { title: 'Beacon to a known server', severity: 'critical', src_ip: '198.51.100.7', host: 'fin-ws-017' },
    ...Array.from({ length: 8 }, (_, index) => ({
      title: `Odd sign-in ${index}`,
      severity: 'medium',
      user: `user${index}`,
    })),
  )
  await f.t.runWorkerJobs()
  await f.runner(team.admin)
  await f.t.call(team.admin, 'secrets.set', { path: 'smtp/password', value: 'x', expectedVersion: 0 })
})
afterAll(() => f?.stop())

/** Uses a page, and fails when anything on it broke the policy or threw, whatever else was asserted. */
async function using(opening: Promise<WatchedPage>, use: (page: WatchedPage['page']) => Promise<void>): Promise<void> {
  const { page, faults, close } = await opening
  try {
    await use(page)
    expect(faults).toEqual([])
  } finally {
    await close()
  }
}
const home = () => `/o/${team.organization.slug}`

async function waitingRun() {
  const { caseId } = await f.caseOf(team.user)
  const { id } = await f.t.call(team.user, 'runs.start', { playbookId: team.playbook.id, caseId })
  await f.work()
  return f.until(team.user, id, 'waiting')
}

describe('every page', () => {
  const everything = async () => {
    const [alert] = (await f.t.call(team.admin, 'alerts.list', {})).items
    const [event] = (await f.t.call(team.admin, 'audit.list', {})).items
    const run = await waitingRun()
    return [
      ['Overview', ''],
      ['Inbox', '/inbox?state=any'],
      ['Inbox', `/inbox?state=any&alert=${alert?.id}`],
      ['Inbox', '/inbox?search=nothing+like+this'],
      ['Cases', '/cases'],
      ['Cases', '/cases?do=open'],
      [team.case.title, `/cases/${team.caseId}`],
      ['Playbooks', '/playbooks'],
      ['New playbook', '/playbooks/new'],
      [team.playbook.name, `/playbooks/${team.playbook.id}`],
      ['Runs', '/runs'],
      [team.playbook.name, `/runs/${run.id}`],
      ['Members', '/members'],
      ['Members', '/members?do=invite'],
      ['Sources', '/sources'],
      ['Sources', '/sources?do=create'],
      ['Runners', '/runners'],
      ['Clients', '/clients'],
      ['Audit', '/audit'],
      ['Audit', `/audit?event=${event?.id}`],
      ['Your sessions', '/sessions'],
      ['Keys', '/keys'],
      ['Keys', '/keys?rotate=access'],
      ['Secrets', '/secrets'],
      ['Secrets', '/secrets?do=set'],
      ['Secrets', '/secrets?do=remove&path=smtp/password'],
      ['Services', '/services'],
      ['Services', `/services?deny=${encodeURIComponent('spiffe://redoubt.internal/service/worker')}`],
    ] as const
  }

  test.each([
    ['wide and light', { colorScheme: 'light' }],
    ['wide and dark', { colorScheme: 'dark' }],
    ['a phone, light', { colorScheme: 'light', ...phone }],
    ['a phone, dark', { colorScheme: 'dark', ...phone }],
  ] as const)('keeps the policy, fits and is accessible: %s', async (_what, options) => {
    const pages = await everything()
    await using(f.as(team.admin, options), async (page) => {
      for (const [heading, path] of pages) {
        await page.goto(home() + path)
        await page.getByRole('heading', { level: 1, name: heading, includeHidden: true }).waitFor()
        await page.locator('[aria-busy=true]').first().waitFor({ state: 'detached' })
        expect(
          await page.evaluate('document.documentElement.scrollWidth - innerWidth'),
          `${path} overflows`,
        ).toBeLessThanOrEqual(0)
        expect(await seriousFindings(page), path).toEqual([])
      }
    })
  })

  test('shows a viewer nothing that a viewer may not do', async () => {
    await using(f.as(team.viewer), async (page) => {
      for (const [path, action] of [
        ['/members', 'Invite'],
        ['/sources', 'Add source'],
        ['/cases', 'Open case'],
        ['/playbooks', 'New playbook'],
        ['/runners', 'Enrol runner'],
      ] as const) {
        await page.goto(home() + path)
        await page.locator('main').waitFor()
        await page.locator('[aria-busy=true]').first().waitFor({ state: 'detached' })
        expect(
          await page
            .getByRole('button', { name: action })
            .or(page.getByRole('link', { name: action }))
            .count(),
          path,
        ).toBe(0)
      }
    })
  })

  test('of another organization says the same as one that does not exist', async () => {
    const elsewhere = await f.t.organization()
    await using(f.as(team.admin), async (page) => {
      const texts: string[] = []
      for (const slug of [elsewhere.slug, 'no-such-organization']) {
        await page.goto(`/o/${slug}/inbox`)
        await page.getByRole('heading', { name: 'No access here' }).waitFor()
        texts.push(((await page.locator('main').textContent()) ?? '').replace(slug, '…'))
      }
      expect(texts[0]).toBe(texts[1])
    })
  })
})

describe('the installation', () => {
  const railOf = (page: WatchedPage['page']) => page.getByRole('navigation', { name: 'Main' })

  test('is shown to nobody but its operator’s admins, and asks nothing that would be refused', async () => {
    const elsewhere = await f.t.organization(team.organization.id)
    const theirs = await f.t.member(elsewhere)
    for (const [person, base] of [
      [theirs, `/o/${elsewhere.slug}`],
      [team.moderator, home()],
    ] as const)
      await using(f.as(person), async (page) => {
        for (const path of ['keys', 'secrets', 'services']) {
          await page.goto(`${base}/${path}`)
          await page.getByRole('heading', { name: 'This belongs to the installation' }).waitFor()
          expect(await seriousFindings(page), path).toEqual([])
        }
        expect(await railOf(page).getByRole('link', { name: 'Keys' }).count()).toBe(0)
      })
    expect((await f.t.call(theirs, 'audit.list', { action: 'access.denied' })).items).toEqual([])
  })

  test('turns a key by keyboard, says before what happens, and shows the coming version by itself', async () => {
    await using(f.as(team.admin), async (page) => {
      await page.goto(`${home()}/keys`)
      const button = page.getByRole('button', { name: 'Rotate Execution plans' })
      await button.focus()
      await page.keyboard.press('Enter')
      const dialog = page.getByRole('dialog', { name: 'Rotate: Execution plans?' })
      await dialog.getByText('Plans of the old one stay good').waitFor()
      await dialog.getByRole('button', { name: 'Rotate now' }).focus()
      await page.keyboard.press('Enter')
      await dialog.waitFor({ state: 'detached' })
      await page.getByRole('img', { name: /Execution plans: version 2 pending, version 1 active/ }).waitFor()
      await expect.poll(() => page.evaluate('document.activeElement.ariaLabel')).toBe('Rotate Execution plans')
    })
  })

  test('takes a secret in and never gives it back, neither on the page nor in an answer', async () => {
    const value = 'correct-horse-9431'
    await using(f.as(team.admin), async (page) => {
      const answers: Promise<string>[] = []
      page.on('response', (response) => {
        if (response.url().includes('/trpc/')) answers.push(response.text().catch(() => ''))
      })
      await page.goto(`${home()}/secrets`)
      await page.getByRole('button', { name: 'Set a secret' }).first().click()
      const dialog = page.getByRole('dialog', { name: 'Set a secret' })
      await dialog.getByLabel('Path').fill('UPPER case')
      await dialog.getByLabel('Value').fill(value)
      expect(await dialog.getByLabel('Value').getAttribute('type')).toBe('password')
      await page.keyboard.press('Enter')
      await dialog.getByText('must be lower-case words').waitFor()
      expect(await dialog.textContent()).not.toContain(value)
      await dialog.getByLabel('Path').fill('siem/forwarder')
      await page.keyboard.press('Enter')
      await dialog.waitFor({ state: 'detached' })
      await page.getByRole('cell', { name: 'siem/forwarder', exact: true }).waitFor()
      expect(await page.content()).not.toContain(value)

      await page.getByRole('button', { name: 'More about siem/forwarder' }).click()
      await page.getByRole('menuitem', { name: 'Replace' }).click()
      const replace = page.getByRole('dialog', { name: 'Replace siem/forwarder' })
      expect(await replace.getByLabel('Value').inputValue()).toBe('')
      await page.keyboard.press('Escape')
      expect((await Promise.all(answers)).join('\n')).not.toContain(value)

      await page.getByRole('button', { name: 'More about siem/forwarder' }).click()
      await page.getByRole('menuitem', { name: 'Remove' }).click()
      const remove = page.getByRole('dialog', { name: 'Remove siem/forwarder?' })
      expect(await remove.getByRole('button', { name: 'Remove' }).isDisabled()).toBe(true)
      await remove.getByLabel(/to confirm/).fill('siem/forwarder')
      await page.keyboard.press('Enter')
      await remove.waitFor({ state: 'detached' })
      await page.getByRole('cell', { name: 'siem/forwarder', exact: true }).waitFor({ state: 'detached' })
    })
  })

  test('denies a service with a reason, and admits it again', async () => {
    await using(f.as(team.admin), async (page) => {
      await page.goto(`${home()}/services`)
      await page.getByRole('button', { name: 'Deny misp-processor' }).click()
      const dialog = page.getByRole('dialog', { name: 'Deny misp-processor?' })
      await dialog.getByLabel('Why').fill('Not in use here')
      await page.keyboard.press('Enter')
      await dialog.waitFor({ state: 'detached' })
      await page.getByRole('table', { name: 'Deny-list' }).getByText('Not in use here').waitFor()
      await page.getByRole('button', { name: 'Admit misp-processor' }).click()
      await page.getByText('Nobody is denied').waitFor()
    })
  })

  test('says what failed where the keeper is away, and still shows what signs', async () => {
    const { keeper } = f.t
    const handle = keeper.handle
    await using(f.as(team.admin), async (page) => {
      Object.assign(keeper, { handle: () => Promise.reject(new KeeperError('store_unavailable', 'Vault is away.')) })
      try {
        await page.goto(`${home()}/keys`)
        await page.getByText('The keeper does not answer.').first().waitFor({ timeout: 30_000 })
        await page.getByRole('list', { name: 'States of a signing key' }).waitFor()
        await page.getByText('Vault is away.').first().waitFor()
        expect(await seriousFindings(page)).toEqual([])
      } finally {
        Object.assign(keeper, { handle })
      }
    })
  })
})

describe('sign-in', () => {
  test('begins with the one-time link, survives a wrong password, and returns to where one was', async () => {
    await f.t.admin.query('delete from set_up')
    const link = await issueSetUpLink(f.t.kernel, f.t.databases.redoubt_api)
    const token = new URL(link ?? expect.fail('no link')).searchParams.get('token')
    await using(f.visitor(), async (page) => {
      await page.goto(`/setup?token=${token}`)
      await page.getByLabel('Organization').fill('Northwind Defence')
      await page.getByLabel('Your name').fill('Mara Okafor')
      await page.getByLabel('E-mail address').fill('mara@northwind.example')
      await page.getByLabel('Password').fill('short')
      await page.keyboard.press('Enter')
      await page
        .getByText(/at least 12 characters/i)
        .nth(1)
        .waitFor()
      await page.getByLabel('Password').fill('correct horse battery staple')
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Overview' }).waitFor()
      expect(new URL(page.url()).pathname).toBe('/o/northwind-defence')

      await page.getByRole('button', { name: /Mara Okafor/ }).click()
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.getByRole('heading', { name: 'Sign in' }).waitFor()
      await page.goto('/o/northwind-defence/members')
      await page.getByLabel('E-mail address').fill('mara@northwind.example')
      await page.getByLabel('Password').fill('not the password')
      await page.keyboard.press('Enter')
      await page.getByRole('alert').waitFor()
      await page.getByLabel('Password').fill('correct horse battery staple')
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Members' }).waitFor()
    })
  })

  test('an invited person joins, and an old link says so', async () => {
    const { link } = await f.t.call(team.admin, 'members.invite', { email: 'leo@example.org', role: 'user' })
    const path = `${new URL(link).pathname}${new URL(link).search}`
    await using(f.visitor(phone), async (page) => {
      await page.goto(path)
      await page.getByLabel('Your name').fill('Leo Martin')
      await page.getByLabel('Choose a password').fill('correct horse battery staple')
      await page.getByRole('button', { name: 'Join' }).click()
      await page.getByRole('heading', { name: 'Overview' }).waitFor()
    })
    await using(f.visitor(), async (page) => {
      await page.goto(path)
      await page.getByText('ask whoever').waitFor()
    })
  })

  test('a session that is ended elsewhere leads to sign-in within the page', async () => {
    const guest = await f.t.member(team.organization, 'user')
    await using(f.as(guest), async (page) => {
      await page.goto(`${home()}/inbox`)
      await page.getByRole('heading', { name: 'Inbox' }).waitFor()
      await f.t.call(team.admin, 'sessions.revokeOfMember', { userId: guest.userId })
      await page.getByRole('link', { name: 'Cases' }).first().click()
      await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    })
  })
})

describe('the inbox', () => {
  test('is worked by keyboard alone, and takes back what was done', async () => {
    await using(f.as(team.user), async (page) => {
      await page.goto(`${home()}/inbox`)
      const rows = page.locator('[role=row][aria-rowindex]:not([aria-rowindex="1"])')
      await rows.first().waitFor()
      const before = await rows.count()
      await page.keyboard.press('j')
      await page.keyboard.press('x')
      await page.keyboard.press('j')
      await page.keyboard.press('x')
      await page.getByText('2 selected').waitFor()
      await page.keyboard.press('e')
      await page.getByText('2 alerts acknowledged').waitFor()
      await expect.poll(() => rows.count()).toBe(before - 2)
      await page.getByRole('button', { name: 'Undo' }).click()
      await expect.poll(() => rows.count()).toBe(before)

      await page.keyboard.press('j')
      await page.keyboard.press('Enter')
      await page.getByRole('complementary', { name: 'Alert' }).getByRole('heading', { level: 2 }).waitFor()
      const first = page.url()
      await page.keyboard.press('j')
      await expect.poll(() => page.url()).not.toBe(first)
      await page.keyboard.press('Escape')
      await expect.poll(() => page.url()).not.toContain('alert=')
    })
  })

  test('of a new organization leads to a source with the command that sends a first alert, and fills by itself', async () => {
    const organization = await f.t.organization()
    const admin = await f.t.member(organization)
    await using(f.as(admin), async (page) => {
      await page.goto(`/o/${organization.slug}/inbox`)
      await page.getByRole('link', { name: 'Add a source' }).click()
      await page.getByLabel('Name', { exact: true }).fill('Edge sensors')
      await page.getByLabel('Name', { exact: true }).press('Enter')
      const address = page.getByLabel('Address', { exact: true })
      await address.waitFor()
      const [made] = (await f.t.call(admin, 'sources.list', {})).items
      expect(await address.inputValue()).toBe(made?.url)
      const command = await page.getByRole('region', { name: 'Try it' }).textContent()
      expect(command).toContain(`curl -sS ${made?.url} `)
      expect(command).toContain(await page.getByLabel('Token', { exact: true }).inputValue())

      await page.goto(`/o/${organization.slug}/inbox`)
      await page.getByText('Nothing waits').waitFor()
      await page.getByText('Live', { exact: true }).waitFor({ state: 'attached' })
      await (await sourceOf(f.t, admin)).send({ title: 'The first alert', severity: 'low' })
      await page.getByRole('row').filter({ hasText: 'The first alert' }).waitFor()
    })
  })

  test('tells of arrivals without moving what one reads', async () => {
    await using(f.as(team.user), async (page) => {
      await page.goto(`${home()}/inbox`)
      const rows = page.locator('[role=row][aria-rowindex]:not([aria-rowindex="1"])')
      await rows.first().waitFor()
      await page.getByText('Live', { exact: true }).waitFor({ state: 'attached' })
      const titles = () => rows.locator('[role=gridcell]:nth-child(4)').allTextContents()
      const before = await titles()
      await source.send({ title: 'Arrived just now', severity: 'low' })
      await f.t.runWorkerJobs()
      await page.getByRole('button', { name: /1 new/ }).waitFor()
      expect(await titles()).toEqual(before)
      await page.getByRole('button', { name: /1 new/ }).click()
      await expect.poll(titles).toEqual(['Arrived just now', ...before])
    })
  })

  test('is live in every tab over one connection, which passes on when its tab closes', async () => {
    await using(f.as(team.user), async (first) => {
      const connections: string[] = []
      const context = first.context()
      context.on('request', (request) => request.url().includes('/events') && connections.push(request.url()))
      const second = await context.newPage()
      for (const page of [first, second]) {
        await page.goto(`${home()}/inbox`)
        await page.getByText('Live', { exact: true }).waitFor({ state: 'attached' })
      }
      expect(connections).toHaveLength(1)
      await source.send({ title: 'For both tabs', severity: 'low' })
      for (const page of [first, second]) await page.getByRole('button', { name: /1 new/ }).click()
      await first.goto('about:blank')
      await expect.poll(() => connections.length).toBe(2)
      await source.send({ title: 'For the tab that is left', severity: 'low' })
      await second.getByRole('button', { name: /1 new/ }).waitFor()
    })
  })

  test('shows what a hostile sender wrote as text', async () => {
    const title = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
    const [id] = await source.send({ title, severity: 'low', html: '</pre><script>alert(1)</script>' })
    await f.t.runWorkerJobs()
    await using(f.as(team.user), async (page) => {
      await page.goto(`${home()}/inbox?state=any&alert=${id}`)
      await page.getByRole('heading', { level: 2, name: title }).waitFor()
      expect(await page.locator('main img, main script').count()).toBe(0)
      expect(await page.title()).toBe('Inbox · Redoubt')
    })
  })
})

describe('a case', () => {
  test('keeps both versions when two people edit at once', async () => {
    const opened = await openCase(f.t, team.user, { title: 'Stolen laptop' })
    await using(f.as(team.user), async (page) => {
      await page.goto(`${home()}/cases/${opened.id}`)
      await page.getByRole('button', { name: 'Stolen laptop' }).click()
      await f.t.call(team.moderator, 'cases.update', { id: opened.id, version: opened.version, title: 'Stolen phone' })
      await page.keyboard.press('ControlOrMeta+a')
      await page.keyboard.type('Stolen tablet')
      await page.keyboard.press('Enter')
      const dialog = page.getByRole('dialog', { name: /Somebody else/ })
      await dialog.waitFor()
      expect(await dialog.textContent()).toContain('Stolen phone')
      expect(await dialog.textContent()).toContain('Stolen tablet')
      expect(await seriousFindings(page)).toEqual([])
      await dialog.getByRole('button', { name: 'Save mine over it' }).click()
      await page.getByRole('button', { name: 'Stolen tablet' }).waitFor()
    })
    expect((await f.t.call(team.user, 'cases.get', { id: opened.id })).title).toBe('Stolen tablet')
  })

  test('takes comments, tasks, observables and verdicts in place, and moves through its phases', async () => {
    const opened = await openCase(f.t, team.user, { title: 'Odd process' })
    await using(f.as(team.user), async (page) => {
      await page.goto(`${home()}/cases/${opened.id}`)
      await page.getByLabel('Comment').fill('Looks bad')
      await page.keyboard.press('ControlOrMeta+Enter')
      await page.getByText('Looks bad').waitFor()
      await page.getByLabel('Add a task').fill('Call the user')
      await page.keyboard.press('Enter')
      await page.getByRole('checkbox', { name: 'Call the user' }).check()
      await page.getByRole('button', { name: 'Add', exact: true }).click()
      await page.getByLabel('Paste any text').fill('beacons to 203.0.113[.]9')
      await page.getByRole('button', { name: 'Find and add' }).click()
      await page.getByLabel('Verdict on 203.0.113.9').selectOption('malicious')
      await page.getByRole('button', { name: 'Triage' }).click()
      await page.getByText('Detection → Triage').waitFor()
    })
    const [observable] = (await f.t.call(team.user, 'cases.observables', { id: opened.id })).items
    expect(observable).toMatchObject({ value: '203.0.113.9', verdict: 'malicious' })
    expect((await f.t.call(team.user, 'cases.tasks', { id: opened.id })).items[0]?.state).toBe('done')
    expect((await f.t.call(team.user, 'cases.get', { id: opened.id })).phase).toBe('triage')
  })
})

describe('a playbook', () => {
  test('shows each error at its line while one types, and is saved when it is sound', async () => {
    await using(f.as(team.moderator), async (page) => {
      await page.goto(`${home()}/playbooks/new`)
      const text = page.getByRole('textbox', { name: 'Playbook YAML' })
      await text.click()
      await page.getByText('Valid').waitFor()
      await page.keyboard.press('ControlOrMeta+End')
      await page.keyboard.type('  - id: ask')
      const problems = page.getByRole('list', { name: 'Problems' })
      await expect.poll(() => problems.textContent()).toMatch(/already used in line 5/)
      await page.keyboard.press('ControlOrMeta+z')
      await page.getByText('Valid').waitFor()
      await page.keyboard.press('ControlOrMeta+s')
      await page.getByText('Ask and note, version 1 saved').waitFor()
      await page.waitForURL(/\/playbooks\/[0-9a-f-]{36}$/)
    })
  })

  test('waits for a person, says what is signed, and goes on when approved', async () => {
    const run = await waitingRun()
    await using(f.as(team.moderator), async (page) => {
      await page.goto(`${home()}/runs/${run.id}`)
      const panel = page.getByRole('region', { name: /Waits for a moderator/ })
      await panel.waitFor()
      const words = await panel.textContent()
      expect(words).toContain('Block 203.0.113.7?')
      expect(words).toContain(run.id)
      expect(words).toContain(JSON.parse(run.canonicalPlan ?? '').playbook.sha256)
      await panel.getByRole('button', { name: 'Approve and sign' }).click()
      await panel.waitFor({ state: 'detached' })
      await f.work()
      await f.until(team.user, run.id, 'succeeded')
      await page.getByText('Succeeded', { exact: true }).waitFor()
      await page.getByText('Computed here from the plan below: the same').waitFor()
    })
  })
})

describe('the audit log', () => {
  test('proves an event in the browser, and notices when the platform lies about it', async () => {
    const sealed = async () => (await f.t.call(team.admin, 'audit.list', {})).items.find((event) => event.seq !== null)
    await expect.poll(sealed).toBeDefined()
    const event = await sealed()
    await using(f.as(team.admin), async (page) => {
      await page.goto(`${home()}/audit?event=${event?.id}`)
      await page.getByText(`Event ${event?.seq} is in the signed log`).waitFor()
      await page.getByText('sealed and signed').waitFor()

      await page.route('**/trpc/*audit.inclusion*', async (route) => {
        const answer = await route.fetch()
        await route.fulfill({ response: answer, body: (await answer.text()).replace('allowed', 'denied ') })
      })
      await page.getByRole('button', { name: 'Verify', exact: true }).click()
      await page.getByText('The proof does not hold').waitFor()
    })
  })
})

describe('the frame', () => {
  test('lists its keys on every page', async () => {
    await using(f.as(team.viewer), async (page) => {
      for (const path of ['/cases', '/audit', '/sessions']) {
        await page.goto(home() + path)
        await page.getByRole('heading', { level: 1 }).waitFor()
        await page.keyboard.press('?')
        await page.getByRole('dialog', { name: 'Keys' }).waitFor()
        await page.keyboard.press('Escape')
      }
    })
  })

  test('reaches every place and operation from the keyboard, and gives focus back', async () => {
    await using(f.as(team.admin), async (page) => {
      await page.goto(`${home()}/cases`)
      await page.getByRole('heading', { name: 'Cases' }).waitFor()
      await page.getByRole('button', { name: 'Open case' }).focus()
      await page.keyboard.press('ControlOrMeta+k')
      await page.getByRole('dialog', { name: 'Commands' }).waitFor()
      expect(await seriousFindings(page)).toEqual([])
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe('Open case')

      await page.keyboard.press('ControlOrMeta+k')
      await page.keyboard.type('invite a person')
      await page.keyboard.press('Enter')
      await page.getByRole('dialog', { name: 'Invite a person' }).waitFor()
      await page.keyboard.press('Escape')
      await page.keyboard.press('/')
      await page.keyboard.type('198.51.100.7')
      await page.keyboard.press('Enter')
      await page.waitForURL(/observable=198\.51\.100\.7/)
      await page.getByText('Beacon to a known server').waitFor()
    })
  })
})
