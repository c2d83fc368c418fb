import type { OrganizationId } from '@redoubt/contract'
import { createContext, useContext, useEffect, useEffectEvent, useState } from 'react'

export const topics = ['alerts', 'cases', 'runs', 'audit', 'sources', 'members', 'sessions', 'keys'] as const
export type Topic = (typeof topics)[number]

/**
 * `connecting` → `live` → `reconnecting` → `live`; `offline` whenever the browser says that there is no network, left
 * through `reconnecting`.
 */
const states = ['connecting', 'live', 'reconnecting', 'offline'] as const
export type LiveState = (typeof states)[number]

/** Answers one topic may change in, at most this often; a burst of alerts is one refresh. */
const quietMs = 800

/**
 * The stream of "something of this topic changed" of one organization. It carries no content.
 *
 * All tabs of a browser share one connection, because HTTP/1.1 allows six to one host and people keep many tabs: the tab
 * that holds the lock listens and tells the others; when it closes, the lock and the listening pass on.
 */
export class LiveStream {
  readonly #url: string
  readonly #name: string
  readonly #listeners = new Map<Topic, Set<() => void>>()
  readonly #stateListeners = new Set<(state: LiveState) => void>()
  readonly #due = new Map<Topic, ReturnType<typeof setTimeout>>()
  #channel: BroadcastChannel | null = null
  #isListening = false
  #source: EventSource | null = null
  #retry: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #hasBeenLive = false
  state: LiveState = 'connecting'

  constructor(organizationId: OrganizationId) {
    this.#url = `/events?organization=${organizationId}`
    this.#name = `redoubt.live.${organizationId}`
  }

  /** Follows the stream until the returned function is called. */
  open(): () => void {
    const closing = new AbortController()
    const channel = new BroadcastChannel(this.#name)
    this.#channel = channel
    channel.onmessage = ({ data }: MessageEvent<unknown>) => this.#hear(data)
    channel.postMessage({ ask: 'state' })
    navigator.locks
      .request(this.#name, { signal: closing.signal }, () => this.#listen(closing.signal))
      .catch((error: unknown) => {
        if (!closing.signal.aborted) throw error
      })
    return () => {
      closing.abort()
      channel.close()
      this.#channel = null
      for (const timer of this.#due.values()) clearTimeout(timer)
      this.#due.clear()
    }
  }

  /** Connects for all tabs until the signal is given. */
  #listen(closing: AbortSignal): Promise<void> {
    const online = () => this.#connect()
    const offline = () => this.#drop('offline')
    addEventListener('online', online)
    addEventListener('offline', offline)
    this.#isListening = true
    this.#connect()
    return new Promise((resolve) => {
      closing.addEventListener('abort', () => {
        removeEventListener('online', online)
        removeEventListener('offline', offline)
        this.#isListening = false
        this.#drop('connecting')
        resolve()
      })
    })
  }

  /** What another tab says. */
  #hear(data: unknown): void {
    if (typeof data !== 'object' || data === null) return
    if ('ask' in data && this.#isListening) this.#channel?.postMessage({ state: this.state })
    if ('topic' in data) this.#announce(topics.find((known) => known === data.topic) ?? null)
    if ('state' in data && !this.#isListening) {
      const state = states.find((known) => known === data.state)
      if (state === 'live') this.#hasBeenLive = true
      if (state) this.#enter(state)
    }
  }

  on(topic: Topic, listener: () => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set()
    this.#listeners.set(topic, listeners.add(listener))
    return () => listeners.delete(listener)
  }

  onState(listener: (state: LiveState) => void): () => void {
    this.#stateListeners.add(listener)
    return () => this.#stateListeners.delete(listener)
  }

  #connect(): void {
    this.#drop(this.#hasBeenLive ? 'reconnecting' : 'connecting')
    const source = new EventSource(this.#url)
    this.#source = source
    source.onopen = () => {
      this.#failures = 0
      this.#enter('live')
      // What happened while nobody listened was missed, so every topic counts as changed.
      if (this.#hasBeenLive) for (const topic of topics) this.#tell(topic)
      this.#hasBeenLive = true
    }
    source.onmessage = (event) => {
      const topic = topicOf(event.data)
      if (topic) this.#tell(topic)
    }
    source.onerror = () => {
      this.#drop(navigator.onLine ? 'reconnecting' : 'offline')
      // An EventSource gives up for good when the answer is an error, so the waiting is done here.
      this.#failures += 1
      this.#retry = setTimeout(() => this.#connect(), Math.min(30_000, 500 * 2 ** this.#failures))
    }
  }

  #drop(state: LiveState): void {
    clearTimeout(this.#retry)
    this.#source?.close()
    this.#source = null
    this.#enter(state)
  }

  #enter(state: LiveState): void {
    if (this.state === state) return
    this.state = state
    if (this.#isListening) this.#channel?.postMessage({ state })
    for (const listener of this.#stateListeners) listener(state)
  }

  #tell(topic: Topic): void {
    this.#channel?.postMessage({ topic })
    this.#announce(topic)
  }

  #announce(topic: Topic | null): void {
    if (topic === null || this.#due.has(topic)) return
    const timer = setTimeout(() => {
      this.#due.delete(topic)
      for (const listener of this.#listeners.get(topic) ?? []) listener()
    }, quietMs)
    this.#due.set(topic, timer)
  }
}

function topicOf(data: unknown): Topic | null {
  try {
    const message: unknown = JSON.parse(String(data))
    const topic = typeof message === 'object' && message !== null && 'topic' in message ? message.topic : null
    return topics.find((known) => known === topic) ?? null
  } catch {
    return null
  }
}

export const LiveContext = createContext<LiveStream | null>(null)

/** Runs `listener` when something of the topic changed. */
export function useTopic(topic: Topic, listener: () => void): void {
  const stream = useContext(LiveContext)
  const latest = useEffectEvent(listener)
  useEffect(() => stream?.on(topic, () => latest()), [stream, topic])
}

/** Whether changes arrive by themselves at the moment. */
export function useLiveState(): LiveState {
  const stream = useContext(LiveContext)
  const [state, setState] = useState<LiveState>(stream?.state ?? 'connecting')
  useEffect(() => {
    if (!stream) return
    setState(stream.state)
    return stream.onState(setState)
  }, [stream])
  return state
}
