/** 16 px icons, drawn with the current text colour. They repeat words that stand beside them and are never read out. */
const paths = {
  overview: 'M2 14V7m4 7V2m4 12V9m4 5V5',
  inbox: 'M2 9l2-6h8l2 6v4H2zM2 9h4l1 2h2l1-2h4',
  case: 'M2 5h12v8H2zM6 5V3h4v2M2 9h12',
  playbook: 'M4 2h6l3 3v9H4zM6.5 8l1.5 1.5L11 6.5M6.5 12h4',
  run: 'M5 3l8 5-8 5z',
  people:
    'M6 8a2.5 2.5 0 100-5 2.5 2.5 0 000 5zM1.5 13c0-2.5 2-4 4.5-4s4.5 1.5 4.5 4M11 3.5a2.200 2.200 0 010 4.300M12 9.300c1.600.4 2.5 1.700 2.5 3.700',
  source: 'M8 2v6m0 0L5.5 5.5M8 8l2.5-2.5M2 9v4h12V9h-3.5a2.5 2.5 0 01-5 0z',
  runner: 'M2 3h12v4H2zM2 9h12v4H2zM4.5 5h.01M4.5 11h.01',
  organizations: 'M6 2h4v4H6zM2 10h4v4H2zM10 10h4v4h-4zM8 6v2M4 10V8h8v2',
  audit: 'M3 3h10M3 6.5h6M3 10h4M9 11.5l1.5 1.5 3-3.5',
  session: 'M2 3h12v8H2zM6 14h4M8 11v3',
  shield: 'M8 1.5l5.5 2v4c0 3.5-2.300 5.700-5.5 7-3.200-1.300-5.5-3.5-5.5-7v-4z',
  search: 'M7 12A5 5 0 107 2a5 5 0 000 10zM10.5 10.5L14 14',
  close: 'M3.5 3.5l9 9m0-9l-9 9',
  check: 'M3 8.5l3.5 3.5L13 4.5',
  plus: 'M8 3v10M3 8h10',
  more: 'M3 8h.9M7.6 8h.9M12.2 8h.9',
  down: 'M4 6l4 4 4-4',
  right: 'M6 4l4 4-4 4',
  left: 'M10 4L6 8l4 4',
  clock: 'M8 14A6 6 0 108 2a6 6 0 000 12zM8 4.5V8l2.5 1.5',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  warning: 'M8 2l6.5 11.5h-13zM8 6.5v3M8 11.5h.01',
  undo: 'M3 6h6.5a3.5 3.5 0 010 7H6M3 6l3-3M3 6l3 3',
  link: 'M6.5 9.5l3-3M7 5l1.5-1.5a2.800 2.800 0 014 4L11 9M9 11l-1.5 1.5a2.800 2.800 0 01-4-4L5 7',
  lock: 'M4 7h8v6H4zM5.5 7V5a2.5 2.5 0 015 0v2',
  sun: 'M8 11a3 3 0 100-6 3 3 0 000 6zM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.400 3.400l.7.7M11.900 11.900l.7.7M3.400 12.600l.7-.7M11.900 4.100l.7-.7',
  moon: 'M13 9.5A5.5 5.5 0 016.5 3 5.5 5.5 0 1013 9.5z',
  system: 'M8 14A6 6 0 108 2a6 6 0 000 12zM8 2v12',
  collapse: 'M2.5 3h11v10h-11zM6 3v10M11 6.5L9.5 8l1.5 1.5',
  expand: 'M2.5 3h11v10h-11zM6 3v10M9.5 6.5L11 8 9.5 9.5',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
  comment: 'M2 3h12v8H7l-3 2.5V11H2z',
  task: 'M2.5 2.5h11v11h-11zM5 8l2 2 4-4',
  observable: 'M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 10a2 2 0 100-4 2 2 0 000 4z',
  merge: 'M4 2v3c0 3 4 3 4 6v3M12 2v3c0 3-4 3-4 6M6 12l2 2 2-2',
  phase: 'M2 8h3m2 0h3m2 0h2M6 6v4m5-4v4',
  filter: 'M2 3.5h12L9.5 9v4l-3-1.5V9z',
  signOut: 'M6 2.5H2.5v11H6M7 8h7m0 0l-2.5-2.5M14 8l-2.5 2.5',
  offline:
    'M2 2l12 12M4.5 7A6 6 0 018 5.5c.5 0 1 0 1.5.2M2 5a9 9 0 012.5-1.700M14 5a9 9 0 00-6-2.5M6.5 9.5a2.800 2.800 0 013 0M8 12.5h.01',
  help: 'M8 14A6 6 0 108 2a6 6 0 000 12zM6.2 6.500a1.800 1.800 0 113 1.300c-.7.6-1.200.9-1.200 1.700M8 11.5h.01',
  services: 'M6 6h4v4H6zM8 6V2.5M8 10v3.5M6 8H2.5M10 8h3.5',
  key: 'M5.5 13a3.5 3.5 0 100-7 3.5 3.5 0 000 7zM8 7l6-5M11.5 4l1.5 2',
  edit: 'M3 13l.7-3L10.5 3.200l2.300 2.300L6 12.300z',
  user: 'M8 8a3 3 0 100-6 3 3 0 000 6zM2.5 14c0-3 2.5-4.5 5.5-4.5s5.5 1.5 5.5 4.5',
  stop: 'M4 4h8v8H4z',
  wait: 'M5 3v10M11 3v10',
  globe: 'M8 14A6 6 0 108 2a6 6 0 000 12zM2 8h12M8 2c2 2 2 10 0 12M8 2C6 4 6 12 8 14',
  branch: 'M8 2v4M8 6l-4 4v4M8 6l4 4v4',
  transform: 'M2 5h9M8.5 2.5L11 5 8.5 7.5M14 11H5M7.5 8.5L5 11l2.5 2.5',
} as const

export type IconName = keyof typeof paths

export function Icon({ name, className = '' }: { name: IconName; className?: string }) {
  return (
    <svg
      aria-hidden="true"
      width="16"
      height="16"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      className={`shrink-0 ${className}`}
    >
      <path d={paths[name]} />
    </svg>
  )
}

/** The crenellated shield. */
export function Mark({ className = '' }: { className?: string }) {
  return (
    <svg aria-hidden="true" width="20" height="20" viewBox="0 0 32 32" className={`shrink-0 ${className}`}>
      <path fill="currentColor" d="M4 4h5v4h4V4h6v4h4V4h5v13c0 6-5 10-12 12C9 27 4 23 4 17z" />
      <path className="fill-surface" d="M14 13h4v5l1.5 5h-7L14 18z" />
    </svg>
  )
}
