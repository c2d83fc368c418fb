/** Everything this package refuses, as a closed set. A caller switches on `code`; `message` is for people. */
export type TrustErrorCode =
  | 'audit_event'
  | 'canonical_json'
  | 'checkpoint_malformed'
  | 'checkpoint_origin'
  | 'context_invalid'
  | 'encoding'
  | 'key_invalid'
  | 'note_malformed'
  | 'note_signature'
  | 'opaque_token'
  | 'plan_hash'
  | 'request_body'
  | 'sealed_data'
  | 'token_algorithm'
  | 'token_audience'
  | 'token_claims'
  | 'token_expired'
  | 'token_issuer'
  | 'token_key_unknown'
  | 'token_lifetime'
  | 'token_malformed'
  | 'token_not_yet_valid'
  | 'token_signature'
  | 'token_subject'
  | 'token_too_large'
  | 'token_type'
  | 'tree_invalid'
  | 'verifier_key'
  | 'webhook_malformed'
  | 'webhook_secret'
  | 'webhook_signature'
  | 'webhook_timestamp'

/** The one error of this package. The message says what was wrong and where, never a secret. */
export class TrustError extends Error {
  override readonly name = 'TrustError'
  readonly code: TrustErrorCode

  constructor(code: TrustErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
