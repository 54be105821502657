// Where true time comes from: the text after --clock.

import { DbError } from '../../base/errors.ts';
import { ERROR_MICROS_MAX } from './wall-clock.ts';

export type ClockSource =
  /** This machine's clock is the truth; uncertain is only the reading of it. For peers on one machine. */
  | { readonly kind: 'system' }
  /** The machine's clock is within this of the truth, because its owner says so. */
  | { readonly kind: 'fixed'; readonly halfWidthMicros: number }
  /** chronyd sets the machine's clock, and says how far off it may be. */
  | { readonly kind: 'chrony'; readonly everyMicros: number; readonly port: number }
  /** The ClockBound daemon says it, in a file that it shares. */
  | { readonly kind: 'clockbound'; readonly path: string };

/** The bound grows by 0.2 ms meanwhile, and to ask costs 0.2 ms of a core. */
const CHRONY_SECONDS = 1;
const CHRONY_SECONDS_MIN = 0.1;
const CHRONY_SECONDS_MAX = 1000;
const CHRONY_PORT = 323;
const CLOCKBOUND_PATH = '/var/run/clockbound/shm0';

const KINDS: Readonly<Record<string, (rest: string | undefined) => ClockSource | undefined>> = {
  system: (rest) => (rest === undefined ? { kind: 'system' } : undefined),
  fixed: (rest) => {
    const halfWidthMicros = /^\d{1,9}$/.test(rest ?? '') ? Number(rest) : Number.NaN;
    return halfWidthMicros <= ERROR_MICROS_MAX ? { kind: 'fixed', halfWidthMicros } : undefined;
  },
  chrony: (rest = String(CHRONY_SECONDS)) => {
    const seconds = /^\d{1,4}(\.\d{1,6})?$/.test(rest) ? Number(rest) : Number.NaN;
    return seconds >= CHRONY_SECONDS_MIN && seconds <= CHRONY_SECONDS_MAX
      ? { kind: 'chrony', everyMicros: Math.round(seconds * 1e6), port: CHRONY_PORT }
      : undefined;
  },
  clockbound: (path = CLOCKBOUND_PATH) =>
    path.startsWith('/') ? { kind: 'clockbound', path } : undefined,
};

export function parseClockSource(text: string): ClockSource {
  const [, kind = '', , rest] = /^([a-z]+)(:(.*))?$/s.exec(text) ?? [];
  const source = Object.hasOwn(KINDS, kind) ? KINDS[kind]?.(rest) : undefined;
  if (source !== undefined) return source;
  throw new DbError('22023', `invalid clock source: "${text}"`, {
    hint: `Use system; fixed:MICROS with at most ${ERROR_MICROS_MAX}; chrony, or chrony:SECONDS between ${CHRONY_SECONDS_MIN} and ${CHRONY_SECONDS_MAX}; clockbound, or clockbound:PATH with an absolute path.`,
  });
}
