/** Where business time comes from. Tests pass one they turn by hand. */
export type Clock = { now(): Date }

export const systemClock: Clock = { now: () => new Date() }
