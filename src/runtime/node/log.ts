// Log lines on stderr: time, level, message, fields. Logging never fails and never blocks the work that it tells of.

import type { Log, LogFields } from '../runtime.ts';

export type LogLevel = 'info' | 'warn' | 'error' | 'silent';

const LEVELS: readonly LogLevel[] = ['info', 'warn', 'error', 'silent'];

function writeToStderr(line: string): void {
  process.stderr.write(line);
}

/** Values that would blur with the next field are quoted. */
function field(value: string | number | boolean): string {
  const text = String(value);
  return /^[^\s"=\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text);
}

export function formatLine(
  time: Date,
  level: LogLevel,
  message: string,
  fields: LogFields | undefined,
): string {
  let line = `${time.toISOString()} ${level.padEnd(5)} ${message.replaceAll('\n', '\n  ')}`;
  if (fields !== undefined) {
    for (const [name, value] of Object.entries(fields)) line += ` ${name}=${field(value)}`;
  }
  return `${line}\n`;
}

export function createLog(level: LogLevel, write: (line: string) => void = writeToStderr): Log {
  const least = LEVELS.indexOf(level);
  const at =
    (own: LogLevel): Log['info'] =>
    (message, fields) => {
      if (LEVELS.indexOf(own) < least) return;
      try {
        write(formatLine(new Date(), own, message, fields));
      } catch {
        // A closed stderr must not stop a database.
      }
    };
  return { info: at('info'), warn: at('warn'), error: at('error') };
}
