// Why a record or a message from outside is not taken.

export type RecordFaultCode =
  | 'truncated'
  | 'too_long'
  | 'not_a_record'
  | 'later_format'
  | 'unknown_kind'
  | 'bad_value'
  | 'wrong_cluster'
  | 'not_a_member'
  | 'not_its_signer'
  | 'bad_signature'

export class RecordFault extends Error {
  readonly code: RecordFaultCode

  constructor(code: RecordFaultCode, message: string) {
    super(message)
    this.name = 'RecordFault'
    this.code = code
  }
}

/** Sent in good faith: by a later version, or by someone who knows other members than we do. */
export function isInnocent(code: RecordFaultCode): boolean {
  return code === 'later_format' || code === 'unknown_kind' || code === 'not_a_member'
}
