import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/base/bytes.ts';
import type { Datum } from '../../../src/rows/datum.ts';
import { columnType, INT2, INT4, INT8 } from '../../../src/rows/types.ts';
import { decodeParameters, type PreparedPlan } from '../../../src/sql/session/prepared.ts';

/** One parameter in text, as a client binds it. */
function bound(oid: number, text: string): Datum {
  const prepared = {
    kind: 'plan',
    parameterCount: 1,
    literals: [],
    plan: { parameterTypes: [columnType(oid)] },
  } as unknown as PreparedPlan;
  const request = {
    portal: '',
    statement: '',
    parameterFormats: [],
    parameters: [utf8(text)],
    resultFormats: [],
  };
  return decodeParameters(request, prepared)[0] as Datum;
}

describe('integer parameters in text', () => {
  it('are exact up to the last safe integer and beyond it', () => {
    expect(bound(INT8, '9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
    expect(bound(INT8, '9007199254740992')).toBe(9007199254740992n);
    expect(bound(INT8, '9007199254740993')).toBe(9007199254740993n);
    expect(bound(INT8, '9999999999999999')).toBe(9999999999999999n);
    expect(bound(INT8, '9223372036854775807')).toBe(9223372036854775807n);
  });

  it('may have zeros in front, signs and blanks', () => {
    expect(bound(INT8, '0000000000000012')).toBe(12);
    expect(bound(INT8, '-12')).toBe(-12);
    expect(bound(INT4, ' +7 ')).toBe(7);
    expect(bound(INT2, '0')).toBe(0);
  });

  it('are refused where they do not fit or are none', () => {
    expect(() => bound(INT2, '40000')).toThrow(/out of range/);
    expect(() => bound(INT4, '9999999999')).toThrow(/out of range/);
    expect(() => bound(INT8, '9223372036854775808')).toThrow(/out of range/);
    expect(() => bound(INT8, '')).toThrow(/invalid input syntax/);
  });
});
