// Logs: one JSON object per line on stdout, which the service manager or a file takes.
import { type Logger, pino } from 'pino'

export type Log = Logger
export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

export function createLog(level: LogLevel): Log {
  return pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: label => ({ level: label }) },
    // Whatever ends up in a log line, these fields do not.
    redact: { paths: ['token', '*.token', 'secret', '*.secret'], censor: '[removed]' },
  })
}
