// The argument that names a disk or an export: a number.
import { Args } from '@oclif/core'
import { ShoalError } from '../common/errors.ts'

export function numberArg(of: string, list: string) {
  return Args.integer({
    required: true,
    description: `number of the ${of}`,
    parse: async text => {
      const value = Number(text)
      if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value
      throw new ShoalError('usage', `${of} "${text}": it takes a number`, {
        next: `${list} shows the numbers`,
      })
    },
  })
}
