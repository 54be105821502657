// PostgreSQL's rules of overload resolution, case by case (its manual, chapters 10.2 and 10.3).

import { describe, expect, it } from 'vitest';
import * as t from '../../../src/rows/types.ts';
import { canCoerceImplicitly } from '../../../src/sql/types/coercion.ts';
import { COMPARISONS } from '../../../src/sql/types/comparison.ts';
import { chooseOverload } from '../../../src/sql/types/overloads.ts';

function choose(candidates: readonly (readonly number[])[], inputs: readonly number[]): unknown {
  const signatures = candidates.map((argOids) => ({ argOids }));
  const choice = chooseOverload(signatures, inputs, canCoerceImplicitly);
  return choice.kind === 'one' ? choice.signature.argOids : choice.kind;
}

describe('chooseOverload', () => {
  it('takes an exact match before anything else', () => {
    expect(choose([[t.FLOAT8], [t.INT4], [t.INT8]], [t.INT4])).toEqual([t.INT4]);
  });

  it('takes what most arguments match exactly', () => {
    const both = [
      [t.FLOAT8, t.FLOAT8],
      [t.NUMERIC, t.NUMERIC],
    ];
    expect(choose(both, [t.INT4, t.NUMERIC])).toEqual([t.NUMERIC, t.NUMERIC]);
  });

  it('then what takes the preferred type of a category where a conversion is needed', () => {
    expect(choose([[t.NUMERIC], [t.FLOAT8]], [t.INT4])).toEqual([t.FLOAT8]);
  });

  it('takes unknown literals for strings where a string is possible', () => {
    expect(choose([[t.INT4], [t.TEXT]], [t.UNKNOWN])).toEqual([t.TEXT]);
    expect(choose([[t.INT4], [t.FLOAT8]], [t.UNKNOWN])).toEqual([t.FLOAT8]);
  });

  it('supposes that an unknown is of the type that the others have', () => {
    const dates = [
      [t.DATE, t.INT4],
      [t.DATE, t.DATE],
      [t.DATE, t.INTERVAL],
    ];
    expect(choose(dates, [t.DATE, t.UNKNOWN])).toEqual([t.DATE, t.DATE]);
  });

  it('says when nothing fits and when too much does', () => {
    expect(choose([[t.INT4]], [t.BOOL])).toBe('none');
    expect(choose([[t.INT4]], [t.INT4, t.INT4])).toBe('none');
    expect(choose([[t.INT4], [t.DATE]], [t.UNKNOWN])).toBe('ambiguous');
  });
});

describe('comparisons', () => {
  const comparedAs = (left: number, right: number): unknown => {
    const choice = chooseOverload(COMPARISONS, [left, right], canCoerceImplicitly);
    return choice.kind === 'one' ? choice.signature.comparedAs : choice.kind;
  };

  it.each([
    ['int2 = int8', t.INT2, t.INT8, t.INT8],
    ['int4 = numeric', t.INT4, t.NUMERIC, t.NUMERIC],
    ['int8 = float8', t.INT8, t.FLOAT8, t.FLOAT8],
    ['float4 = int4', t.FLOAT4, t.INT4, t.FLOAT8],
    ['numeric = float8', t.NUMERIC, t.FLOAT8, t.FLOAT8],
    ['varchar = varchar', t.VARCHAR, t.VARCHAR, t.TEXT],
    ['bpchar = text', t.BPCHAR, t.TEXT, t.TEXT],
    ['bpchar = varchar', t.BPCHAR, t.VARCHAR, t.BPCHAR],
    ['date = timestamp', t.DATE, t.TIMESTAMP, t.TIMESTAMP],
    ['timestamp = timestamptz', t.TIMESTAMP, t.TIMESTAMPTZ, t.TIMESTAMPTZ],
    ['bool = int4', t.BOOL, t.INT4, 'none'],
    ['text = int4', t.TEXT, t.INT4, 'none'],
    ['json = json', t.JSON_TYPE, t.JSON_TYPE, 'none'],
  ])('%s', (_, left, right, expected) => {
    expect(comparedAs(left, right)).toBe(expected);
  });
});
