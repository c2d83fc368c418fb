/**
 * Why a subject may not be denied through this service, or null. Denying the keeper would leave nobody to admit it again;
 * denying the service that answers would cut off the hand that could take it back.
 */
export function whyNotDeny(
  subject: string,
  known: readonly { service: string; spiffeId: string; certificate: { serial: string } | null }[],
  answeredBy: string,
): string | null {
  const service = known.find(({ spiffeId, certificate }) => spiffeId === subject || certificate?.serial === subject)
  if (service?.service === 'keeper') return 'Without the keeper no service could be admitted again: stop it instead.'
  if (service?.service === answeredBy)
    return `${answeredBy} answers this request and could not take it back: ask ${answeredBy === 'web' ? 'the api' : 'the console'} instead.`
  return null
}
