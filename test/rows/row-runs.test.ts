import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ByteWriter, concatBytes } from '../../src/base/bytes.ts';
import { aggregateResultType } from '../../src/rows/aggregates.ts';
import { type Datum, Decimal } from '../../src/rows/datum.ts';
import type { AggregateCall, AggregateKind, CompareOp, Expr } from '../../src/rows/expr.ts';
import { exprType } from '../../src/rows/expr-type.ts';
import { PackedRowReader } from '../../src/rows/packed-rows.ts';
import { programOutputLayout, ProgramRunner, type ScanProgram } from '../../src/rows/program.ts';
import { decodeRow, encodeRow, type RowLayout } from '../../src/rows/row-codec.ts';
import type { RowRun } from '../../src/rows/row-run.ts';
import * as t from '../../src/rows/types.ts';
import { valueOf as datumOf } from './arbitraries.ts';

const TYPES = [
  ...([t.INT4, t.INT8, t.INT2, t.FLOAT8, t.FLOAT4, t.TEXT, t.VARCHAR, t.DATE] as const),
  ...([t.TIMESTAMPTZ, t.OID, t.BPCHAR, t.NUMERIC, t.BOOL, t.UUID] as const),
].map((oid) => t.columnType(oid));
/** The last column was added later, with a default. */
const LATER = TYPES.length;
const layout: RowLayout = {
  types: [...TYPES, t.columnType(t.INT4)],
  missing: [...TYPES.map(() => null), 7],
};
const early: RowLayout = { types: TYPES, missing: TYPES.map(() => null) };

const column = (index: number): Expr => ({
  kind: 'column',
  type: layout.types[index] as t.ColumnType,
  index,
});

/** Few values, so that comparisons meet equals; sometimes any. */
function valueOf(type: t.ColumnType): fc.Arbitrary<Datum> {
  const few: Readonly<Record<number, readonly Datum[]>> = {
    [t.INT4]: [-1, 0, 1, 5],
    [t.INT8]: [-1, 0, 1, 2n ** 60n],
    [t.FLOAT8]: [-1.5, 0, -0, 2, Number.NaN, Number.POSITIVE_INFINITY],
    [t.TEXT]: ['', 'a', 'ab', 'b', 'é', '\u{1d4b3}', '\uffff'],
    [t.VARCHAR]: ['', 'a', 'ab'],
    [t.DATE]: [0, 1, Number.POSITIVE_INFINITY],
    [t.NUMERIC]: [Decimal.parse('1.0'), Decimal.parse('1.00'), Decimal.parse('-2')],
  };
  const some = few[type.oid];
  if (some === undefined) return datumOf(type.oid);
  return fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...some) },
    { weight: 1, arbitrary: datumOf(type.oid) },
  );
}

const rowArbitrary: fc.Arbitrary<Uint8Array> = fc
  .record({
    values: fc.tuple(...layout.types.map(valueOf)),
    nulls: fc.oneof(
      { weight: 3, arbitrary: fc.constant([] as number[]) },
      { weight: 1, arbitrary: fc.array(fc.nat(LATER), { maxLength: 6 }) },
    ),
    isEarly: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    isWide: fc.integer({ min: 0, max: 200 }).map((n) => n === 0),
  })
  .map(({ values, nulls, isEarly, isWide }) => {
    const datums = values.map((value, i) => (nulls.includes(i) ? null : value));
    if (isWide) datums[5] = 'w'.repeat(70_000);
    return isEarly ? encodeRow(early, datums.slice(0, LATER)) : encodeRow(layout, datums);
  });

const condition: fc.Arbitrary<Expr> = fc.nat(LATER).chain((index) => {
  const type = layout.types[index] as t.ColumnType;
  const right = fc.oneof(
    { weight: 9, arbitrary: valueOf(type) },
    { weight: 1, arbitrary: fc.constant(null) },
  );
  return fc
    .record({
      op: fc.constantFrom<CompareOp>('=', '<>', '<', '<=', '>', '>='),
      right,
      turned: fc.boolean(),
      isParameter: fc.boolean(),
    })
    .map(({ op, right: value, turned, isParameter }): Expr => {
      const constant: Expr = { kind: 'constant', type, value };
      // The test hands constants over as parameters where it is told so.
      const other = isParameter ? ({ ...constant, asParameter: true } as Expr) : constant;
      const [left, rightSide] = turned ? [other, column(index)] : [column(index), other];
      return { kind: 'compare', op, left, right: rightSide };
    });
});
const isNull = fc
  .tuple(fc.nat(LATER), fc.boolean())
  .map(([index, negated]): Expr => ({ kind: 'isNull', arg: column(index), negated }));
const filterArbitrary: fc.Arbitrary<Expr | undefined> = fc.option(
  fc.oneof(
    { weight: 4, arbitrary: condition },
    {
      weight: 3,
      arbitrary: fc
        .array(fc.oneof(condition, isNull), { minLength: 1, maxLength: 3 })
        .map((args): Expr => ({ kind: 'and', args })),
    },
    {
      weight: 1,
      arbitrary: fc
        .array(condition, { minLength: 1, maxLength: 2 })
        .map((args): Expr => ({ kind: 'or', args })),
    },
  ),
  { nil: undefined },
);

const AGGREGATES: readonly AggregateKind[] = ['count', 'sum', 'avg', 'min', 'max'];
const calls: readonly AggregateCall[] = [
  { kind: 'count(*)', args: [], distinct: false, filter: undefined, type: t.columnType(t.INT8) },
  ...layout.types.flatMap((_, index) =>
    AGGREGATES.flatMap((kind): AggregateCall[] => {
      const args = [column(index)];
      const type = aggregateResultType(kind, args.map(exprType));
      return type === undefined ? [] : [{ kind, args, distinct: false, filter: undefined, type }];
    }),
  ),
];
const outputArbitrary: fc.Arbitrary<ScanProgram['output']> = fc.oneof(
  fc.record({
    kind: fc.constant('rows' as const),
    withKeys: fc.boolean(),
    columns: fc.option(fc.array(fc.nat(LATER), { minLength: 1, maxLength: 4 }), { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant('aggregate' as const),
    groupBy: fc.oneof(
      fc.constant([]),
      fc.nat(LATER).map((index) => [column(index)]),
      fc.constant([column(0), column(5)]),
    ),
    aggregates: fc.subarray([...calls], { maxLength: 5 }),
  }),
);

/** Takes marked constants out as parameters. */
function withParameters(expr: Expr, params: Datum[]): Expr {
  if (expr.kind === 'and' || expr.kind === 'or') {
    return { ...expr, args: expr.args.map((arg) => withParameters(arg, params)) };
  }
  if (expr.kind === 'compare') {
    const { left, right } = expr;
    return { ...expr, left: withParameters(left, params), right: withParameters(right, params) };
  }
  if (expr.kind === 'constant' && 'asParameter' in expr) {
    params.push(expr.value);
    return { kind: 'parameter', type: expr.type, index: params.length - 1 };
  }
  return expr;
}

function runOf(rows: readonly Uint8Array[]): RowRun {
  const bytes = concatBytes(...rows);
  const bounds = new Int32Array(rows.length + 1);
  rows.forEach((row, i) => {
    bounds[i + 1] = (bounds[i] as number) + row.length;
  });
  return {
    bytes,
    view: new DataView(bytes.buffer),
    bounds,
    keyLength: () => 2,
    appendKey: (i: number, writer: ByteWriter) => writer.u16(i),
  };
}

function decoded(program: ScanProgram, batches: readonly Uint8Array[]): string[] {
  const out: string[] = [];
  for (const batch of batches) {
    const reader = new PackedRowReader(batch);
    while (reader.next()) {
      const values = decodeRow(programOutputLayout(program), reader.row());
      out.push(`${reader.key().join('.')}: ${values.map(shown).join(', ')}`);
    }
  }
  // Groups come in no order.
  return program.output.kind === 'aggregate' ? out.sort() : out;
}

function shown(value: Datum): string {
  if (Object.is(value, -0)) return '0';
  if (value instanceof Decimal) return value.toString();
  return typeof value === 'bigint' || typeof value === 'number'
    ? `${value}`
    : JSON.stringify(value);
}

describe('a program that takes runs of rows', () => {
  it('puts out what it does for one row after the other', () => {
    fc.assert(
      fc.property(
        fc.array(rowArbitrary, { minLength: 1, maxLength: 60 }),
        filterArbitrary,
        outputArbitrary,
        fc.boolean(),
        fc.constantFrom(1, 3, 1000),
        fc.constantFrom(1, 500, 1 << 20),
        (rows, marked, output, backwards, rowsMax, bytesMax) => {
          const params: Datum[] = [];
          const filter = marked && withParameters(marked, params);
          const program: ScanProgram = { layout, filter, output };
          const order = rows.map((_, i) => (backwards ? rows.length - 1 - i : i));

          const singly = new ProgramRunner(program, params);
          let left = rowsMax;
          for (const i of order) {
            const row = rows[i] as Uint8Array;
            const isOut = singly.add(Uint8Array.of(i, 0), row, 0, row.length);
            if (isOut && --left === 0) break;
          }
          singly.finish();

          const run = runOf(rows);
          const runner = new ProgramRunner(program, params);
          const picked = Int32Array.from(order);
          const batches: Uint8Array[] = [];
          let wanted = rowsMax;
          for (let at = 0; at < picked.length && wanted > 0; ) {
            const before = runner.out.rowCount;
            const taken = runner.addRun(run, picked, at, picked.length, wanted, bytesMax);
            expect(taken).toBeGreaterThan(0);
            at += taken;
            if (!runner.isAggregate) wanted -= runner.out.rowCount - before;
            if (runner.out.byteLength >= bytesMax) batches.push(runner.out.take());
          }
          runner.finish();
          batches.push(runner.out.take());
          expect(decoded(program, batches)).toEqual(decoded(program, [singly.out.take()]));
        },
      ),
      { numRuns: 1500 },
    );
  });
});
