// Where true time comes from: the text after --clock.

import { DbError, unsupported } from '../../base/errors.ts';

export type ClockSource =
  /** This machine's clock is the truth; uncertain is only the reading of it. For peers on one machine. */
  | { readonly kind: 'system' }
  /** The machine's clock is within this of the truth, because its owner says so. */
  | { readonly kind: 'fixed'; readonly halfWidthMicros: number };

const HALF_WIDTH_MICROS_MAX = 10_000_000;

export function parseClockSource(text: string): ClockSource {
  if (text === 'system') return { kind: 'system' };
  if (text === 'chrony' || text === 'clockbound') {
    throw unsupported(`the clock source "${text}"`, undefined, 'Use system or fixed:MICROS.');
  }
  const digits = /^fixed:(\d{1,9})$/.exec(text)?.[1];
  const halfWidthMicros = Number(digits);
  if (digits === undefined || halfWidthMicros > HALF_WIDTH_MICROS_MAX) {
    throw new DbError('22023', `invalid clock source: "${text}"`, {
      hint: `Use system, or fixed:MICROS with at most ${HALF_WIDTH_MICROS_MAX}.`,
    });
  }
  return { kind: 'fixed', halfWidthMicros };
}
