import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  civilFromDays,
  dayOfWeek,
  daysFromCivil,
  joinTimestamp,
  MICROS_PER_DAY,
  splitTimestamp,
} from '../../src/rows/calendar.ts';

const EPOCH_MS = Date.UTC(2000, 0, 1);

describe('the calendar', () => {
  it("agrees with JavaScript's", () => {
    fc.assert(
      fc.property(fc.integer({ min: -2_451_545, max: 90_000_000 }), (days) => {
        const date = new Date(EPOCH_MS + days * 86_400_000);
        const civil = {
          year: date.getUTCFullYear(),
          month: date.getUTCMonth() + 1,
          day: date.getUTCDate(),
        };
        expect(civilFromDays(days)).toEqual(civil);
        expect(daysFromCivil(civil.year, civil.month, civil.day)).toBe(days);
        expect(dayOfWeek(days)).toBe(date.getUTCDay());
      }),
    );
  });

  it('splits timestamps into days and times of day', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -2_451_545, max: 106_751_990 }),
        fc.oneof(
          fc.integer({ min: 0, max: MICROS_PER_DAY - 1 }),
          fc.constantFrom(0, MICROS_PER_DAY - 1),
        ),
        (days, micros) => {
          const value = joinTimestamp(days, micros);
          expect(splitTimestamp(value)).toEqual({ days, micros });
          expect(BigInt(value)).toBe(BigInt(days) * 86_400_000_000n + BigInt(micros));
        },
      ),
    );
  });
});
