import { useNavigate } from '@tanstack/react-router'
import { Button as AriaButton, Dialog, DialogTrigger, Popover } from 'react-aria-components'
import { forgetEverything, personApi } from '../api/client.ts'
import { useMe, useWorkplace } from '../api/session.tsx'
import { Button } from '../components/button.tsx'
import { useNow } from '../components/clock.tsx'
import { Fact, Facts } from '../components/drawer.tsx'
import { Icon } from '../components/icon.tsx'
import { announceFailure } from '../components/toast.tsx'
import { roleWords, spanOf } from '../components/words.ts'
import { chooseTheme, themeIcons, themes, themeWords, useTheme } from './theme.ts'

const strengthWords = {
  aal1: { short: 'AAL1', long: 'One factor (AAL1)' },
  aal2: { short: 'AAL2', long: 'Two factors (AAL2)' },
}

/** Who one is and how well the platform knows it: always in sight, details on demand. */
export function Shield() {
  const me = useMe()
  const { membership } = useWorkplace()
  const navigate = useNavigate()
  const left = (Date.parse(me.session.expiresAt) - useNow()) / 1000
  const strength = strengthWords[me.session.strength]
  const signOut = async () => {
    try {
      await personApi.client.auth.logout.mutate({})
      await navigate({ to: '/sign-in' })
      forgetEverything()
    } catch (error) {
      announceFailure('You are still signed in', error)
    }
  }
  return (
    <DialogTrigger>
      <AriaButton className="flex h-8 shrink-0 items-center gap-1.5 rounded-md px-2 text-sm font-medium text-quiet hover:bg-hover hover:text-ink">
        <Icon
          name="shield"
          className={me.session.strength === 'aal2' ? 'fill-accent-soft text-accent' : 'text-accent'}
        />
        <span className="max-lg:sr-only">{me.user.name}</span>
        <span className="rounded-sm bg-hover px-1 text-2xs text-quiet">{strength.short}</span>
      </AriaButton>
      <Popover className="enter w-80 rounded-lg bg-surface shadow-overlay" offset={6} placement="bottom end">
        <Dialog aria-label="You and this session" className="outline-none">
          <div className="border-b border-line p-4">
            <p className="font-semibold">{me.user.name}</p>
            <p className="truncate text-sm text-quiet">{me.user.email}</p>
          </div>
          <div className="border-b border-line p-4">
            <Facts>
              <Fact name="Role here">{roleWords[membership.role].name}</Fact>
              <Fact name="Session">{strength.long}</Fact>
              <Fact name="Ends in">{left > 0 ? spanOf(left) : 'a moment'}</Fact>
            </Facts>
          </div>
          <div className="flex items-center justify-between gap-2 p-3">
            <ThemeChoice />
            <Button tone="ghost" icon="signOut" onPress={signOut}>
              Sign out
            </Button>
          </div>
        </Dialog>
      </Popover>
    </DialogTrigger>
  )
}

function ThemeChoice() {
  const theme = useTheme()
  return (
    <fieldset className="flex rounded-md bg-sunken p-0.5">
      <legend className="sr-only">Appearance</legend>
      {themes.map((option) => (
        <label
          key={option}
          title={themeWords[option]}
          className="flex size-7 cursor-pointer items-center justify-center rounded-sm text-faint has-checked:bg-surface has-checked:text-ink has-checked:shadow-raised has-focus-visible:outline-2 has-focus-visible:outline-accent"
        >
          <input
            type="radio"
            name="theme"
            className="sr-only"
            checked={theme === option}
            onChange={() => chooseTheme(option)}
          />
          <Icon name={themeIcons[option]} />
          <span className="sr-only">{themeWords[option]}</span>
        </label>
      ))}
    </fieldset>
  )
}
