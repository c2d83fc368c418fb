import { Link, Outlet, useLocation } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { Button as AriaButton, Dialog, Modal, ModalOverlay } from 'react-aria-components'
import { useLiveState } from '../api/live.ts'
import { useMay, useWorkplace } from '../api/session.tsx'
import { IconButton, Kbd } from '../components/button.tsx'
import { Icon } from '../components/icon.tsx'
import { useKeys } from '../components/keys.ts'
import { Toasts } from '../components/toast.tsx'
import { LiveMark } from './live-mark.tsx'
import { OrganizationSwitcher } from './organization-switcher.tsx'
import { places } from './places.ts'
import { Places, Rail, Waiting } from './rail.tsx'
import { SearchField } from './search.tsx'
import { Shield } from './shield.tsx'

const Palette = lazy(() => import('./palette.tsx').then((module) => ({ default: module.Palette })))

const KeyHelp = lazy(() => import('./key-help.tsx').then((module) => ({ default: module.KeyHelp })))

const railKey = 'redoubt.rail'

/** What stands around every page of an organization. */
export function Frame() {
  const [narrow, setNarrow] = useState(() => localStorage.getItem(railKey) === 'narrow')
  const [isPaletteOpen, setPaletteOpen] = useState(false)
  const [isHelpOpen, setHelpOpen] = useState(false)
  const live = useLiveState()
  const main = useRef<HTMLElement>(null)
  const { pathname } = useLocation()
  useKeys({ 'ctrl+k': () => setPaletteOpen(true), '?': () => setHelpOpen(true) })
  // A new page starts at its beginning for the keyboard too (WCAG 2.4.3); the first page keeps the browser's place.
  const seen = useRef(pathname)
  useEffect(() => {
    if (seen.current === pathname) return
    seen.current = pathname
    main.current?.focus({ preventScroll: true })
  }, [pathname])
  return (
    <div className="flex h-full">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:m-2 focus:rounded-md focus:bg-surface focus:px-3 focus:py-2"
      >
        Skip to content
      </a>
      <Rail
        narrow={narrow}
        onNarrow={(next) => {
          localStorage.setItem(railKey, next ? 'narrow' : 'wide')
          setNarrow(next)
        }}
      />
      <div className="flex min-w-0 flex-1 flex-col">
        <header className="flex h-12 shrink-0 items-center gap-2 border-b border-line bg-canvas px-2 md:px-3">
          <OrganizationSwitcher />
          <div className="flex flex-1 justify-center max-sm:hidden">
            <SearchField />
          </div>
          <div className="ml-auto flex items-center gap-1">
            <LiveMark />
            <AriaButton
              onPress={() => setPaletteOpen(true)}
              className="flex h-8 items-center gap-1 rounded-md px-2 text-quiet hover:bg-hover"
            >
              <Icon name="search" className="sm:hidden" />
              <span className="sr-only">Commands</span>
              <span className="hidden items-center gap-1 sm:flex">
                <Kbd>Ctrl</Kbd>
                <Kbd>K</Kbd>
              </span>
            </AriaButton>
            <span className="max-md:hidden">
              <IconButton icon="help" label="Keys (?)" onPress={() => setHelpOpen(true)} />
            </span>
            <Shield />
          </div>
        </header>
        {live === 'offline' && (
          <p className="border-b border-line bg-danger-soft px-4 py-1.5 text-sm text-danger">
            Offline. What you see is as of the last answer; changes wait until the connection is back.
          </p>
        )}
        <main ref={main} id="main" tabIndex={-1} className="flex min-h-0 flex-1 flex-col overflow-y-auto outline-none">
          <Outlet />
        </main>
        <BottomBar />
      </div>
      <Toasts />
      {isHelpOpen && (
        <Suspense>
          <KeyHelp onClose={() => setHelpOpen(false)} />
        </Suspense>
      )}
      {isPaletteOpen && (
        <Suspense>
          <Palette onClose={() => setPaletteOpen(false)} onHelp={() => setHelpOpen(true)} />
        </Suspense>
      )}
    </div>
  )
}

/** On a phone: the four places of a shift under the thumb, everything else behind More. */
function BottomBar() {
  const [isOpen, setOpen] = useState(false)
  const may = useMay()
  const { slug } = useWorkplace().membership.organization
  const shown = places.filter((place) => place.permission === null || may(place.permission)).slice(0, 3)
  const look =
    'relative flex flex-1 flex-col items-center justify-center gap-0.5 text-2xs text-quiet aria-[current=page]:font-medium aria-[current=page]:text-accent'
  return (
    <nav
      aria-label="Main"
      className="flex h-14 shrink-0 border-t border-line bg-canvas pb-[env(safe-area-inset-bottom)] md:hidden"
    >
      {shown.map((place) => (
        <Link
          key={place.to}
          to={place.to}
          params={{ slug }}
          activeOptions={{ exact: place.to === '/o/$slug' }}
          className={look}
        >
          <Icon name={place.icon} />
          <span className="flex items-center gap-1">
            {place.label}
            {place.to === '/o/$slug/inbox' && <Waiting />}
          </span>
        </Link>
      ))}
      <AriaButton onPress={() => setOpen(true)} className={look}>
        <Icon name="menu" />
        More
      </AriaButton>
      <ModalOverlay
        isOpen={isOpen}
        onOpenChange={setOpen}
        isDismissable
        className="fixed inset-0 z-40 flex items-end bg-scrim"
      >
        <Modal className="enter max-h-[80vh] w-full overflow-auto rounded-t-lg bg-surface p-2 shadow-overlay">
          <Dialog aria-label="All places" className="outline-none">
            <div className="flex justify-end">
              <IconButton icon="close" label="Close" onPress={() => setOpen(false)} />
            </div>
            <Places onGo={() => setOpen(false)} />
          </Dialog>
        </Modal>
      </ModalOverlay>
    </nav>
  )
}
