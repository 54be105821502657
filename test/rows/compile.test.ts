import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileExpr, compilePredicate, TupleView } from '../../src/rows/compile.ts';
import { compilePackedPredicate } from '../../src/rows/compile-packed.ts';
import type { Datum } from '../../src/rows/datum.ts';
import type { CompareOp, Expr } from '../../src/rows/expr.ts';
import { encodeRow, layoutOf, RowView } from '../../src/rows/row-codec.ts';
import { BOOL, columnType, FLOAT8, INT4, INT8, TEXT, VARCHAR } from '../../src/rows/types.ts';

const bool = columnType(BOOL);
const int4 = columnType(INT4);
const text = columnType(TEXT);

const constant = (value: Datum, type = bool): Expr => ({ kind: 'constant', type, value });
const column = (index: number, type = int4): Expr => ({ kind: 'column', type, index });
const parameter = (index: number, type = int4): Expr => ({ kind: 'parameter', type, index });

function evaluate(expr: Expr, row: readonly Datum[] = [], params: readonly Datum[] = []): Datum {
  const view = new TupleView(row);
  const value = compileExpr(expr)(view, params);
  // A predicate is true exactly where the value is.
  if (typeof value !== 'object' || value === null) {
    expect(compilePredicate(expr)(view, params)).toBe(value === true);
  }
  return value;
}

const T = constant(true);
const F = constant(false);
const N = constant(null);

describe('three-valued logic', () => {
  it.each<[string, Expr, Datum]>([
    ['true and null', { kind: 'and', args: [T, N] }, null],
    ['false and null', { kind: 'and', args: [N, F] }, false],
    ['true or null', { kind: 'or', args: [N, T] }, true],
    ['false or null', { kind: 'or', args: [F, N] }, null],
    ['not null', { kind: 'not', arg: N }, null],
    ['not false', { kind: 'not', arg: F }, true],
    ['null is null', { kind: 'isNull', arg: N, negated: false }, true],
    ['true is not null', { kind: 'isNull', arg: T, negated: true }, true],
    ['null is true', { kind: 'isBool', arg: N, value: true, negated: false }, false],
    ['null is not true', { kind: 'isBool', arg: N, value: true, negated: true }, true],
    ['null = null', { kind: 'compare', op: '=', left: N, right: N }, null],
    [
      'null is distinct from null',
      { kind: 'isDistinct', left: N, right: N, negated: false },
      false,
    ],
    ['true is distinct from null', { kind: 'isDistinct', left: T, right: N, negated: false }, true],
    ['true in (null)', { kind: 'in', arg: T, list: [N], negated: false }, null],
    ['true in (null, true)', { kind: 'in', arg: T, list: [N, T], negated: false }, true],
    ['true not in (null, false)', { kind: 'in', arg: T, list: [N, F], negated: true }, null],
    ['true not in (false)', { kind: 'in', arg: T, list: [F], negated: true }, true],
    ['null in (true)', { kind: 'in', arg: N, list: [T], negated: false }, null],
  ])('%s', (_name, expr, value) => {
    expect(evaluate(expr)).toBe(value);
  });
});

describe('expressions', () => {
  it('call functions, NULL in NULL out', () => {
    const sum: Expr = {
      kind: 'call',
      type: int4,
      name: 'int4+int4',
      args: [column(0), parameter(0)],
    };
    expect(evaluate(sum, [40], [2])).toBe(42);
    expect(evaluate(sum, [null], [2])).toBeNull();
    expect(evaluate(sum, [1], [null])).toBeNull();
    const joined: Expr = {
      kind: 'call',
      type: text,
      name: 'concat(any…)',
      args: [constant('a', text), constant(null, text), column(0, text)],
    };
    expect(evaluate(joined, ['c'])).toBe('ac');
  });

  it('choose', () => {
    const isOne: Expr = { kind: 'compare', op: '=', left: column(0), right: constant(1, int4) };
    const choice: Expr = {
      kind: 'case',
      type: text,
      whens: [{ when: isOne, result: constant('one', text) }],
      otherwise: undefined,
    };
    expect(evaluate(choice, [1])).toBe('one');
    expect(evaluate(choice, [2])).toBeNull();
    const first: Expr = {
      kind: 'coalesce',
      type: text,
      args: [choice, constant('other', text)],
    };
    expect(evaluate(first, [2])).toBe('other');
  });

  it('cast with their modifier', () => {
    const short = columnType(VARCHAR, 6);
    const cast: Expr = { kind: 'cast', type: short, arg: column(0, text), context: 'explicit' };
    expect(evaluate(cast, ['abc'])).toBe('ab');
    expect(evaluate(cast, [null])).toBeNull();
  });

  it('compare NaN as equal to itself and greatest, and -0 as 0', () => {
    const compare = (op: CompareOp, a: number, b: number): Datum =>
      evaluate({
        kind: 'compare',
        op,
        left: constant(a, columnType(FLOAT8)),
        right: constant(b, columnType(FLOAT8)),
      });
    expect(compare('=', Number.NaN, Number.NaN)).toBe(true);
    expect(compare('>', Number.NaN, Number.POSITIVE_INFINITY)).toBe(true);
    expect(compare('=', 0, -0)).toBe(true);
  });

  it('compare int8 beyond the safe integers exactly', () => {
    const type = columnType(INT8);
    const less: Expr = { kind: 'compare', op: '<', left: column(0, type), right: column(1, type) };
    expect(evaluate(less, [9007199254740991, 9007199254740993n])).toBe(true);
    expect(evaluate(less, [9007199254740993n, 9007199254740992n])).toBe(false);
  });
});

describe('filters over packed rows', () => {
  const layout = { types: [int4, columnType(VARCHAR, 10), int4], missing: [null, null, 7] };
  const ops = fc.constantFrom<CompareOp>('=', '<>', '<', '<=', '>', '>=');
  const number = fc.option(fc.integer({ min: 5, max: 8 }), { nil: null });
  const word = fc.option(fc.constantFrom('', 'a', 'é', 'ab'), { nil: null });
  const asText: Expr = {
    kind: 'cast',
    type: text,
    arg: column(1, columnType(VARCHAR, 10)),
    context: 'implicit',
  };
  const operand = fc.tuple(fc.boolean(), fc.boolean(), ops, fc.constantFrom(0, 1, 2));

  it('pass what the general way passes', () => {
    fc.assert(
      fc.property(
        fc.array(operand, { minLength: 1, maxLength: 3 }),
        fc.tuple(number, word, number),
        number,
        word,
        fc.boolean(),
        (parts, row, wantedNumber, wantedText, old) => {
          const args = parts.map(([fixed, flipped, op, position]): Expr => {
            const value = position === 1 ? wantedText : wantedNumber;
            const type = position === 1 ? text : int4;
            const left = position === 1 ? asText : column(position);
            const right = fixed ? constant(value, type) : parameter(position === 1 ? 1 : 0, type);
            return flipped
              ? { kind: 'compare', op, left: right, right: left }
              : { kind: 'compare', op, left, right };
          });
          const expr: Expr = args.length === 1 ? (args[0] as Expr) : { kind: 'and', args };
          const kept = old ? 2 : 3;
          const bytes = encodeRow(layoutOf(layout.types.slice(0, kept)), row.slice(0, kept));
          const view = new RowView();
          view.reset(layout, bytes, 0, bytes.length);
          const params = [wantedNumber, wantedText];
          const seen = old ? [...row.slice(0, 2), 7] : row;
          expect(compilePackedPredicate(expr)(view, params)).toBe(
            compileExpr(expr)(new TupleView(seen), params) === true,
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});
