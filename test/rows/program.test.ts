import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aggregateResultType, createAggregate } from '../../src/rows/aggregates.ts';
import { TupleView } from '../../src/rows/compile.ts';
import { type Datum, Decimal } from '../../src/rows/datum.ts';
import type { AggregateCall, AggregateKind, Expr } from '../../src/rows/expr.ts';
import { exprType } from '../../src/rows/expr-type.ts';
import { HashAggregation } from '../../src/rows/hash-aggregation.ts';
import { PackedRowReader, PackedRowWriter } from '../../src/rows/packed-rows.ts';
import {
  decodeParameters,
  decodeProgram,
  encodeParameters,
  encodeProgram,
  programOutputLayout,
  ProgramRunner,
  type ScanProgram,
} from '../../src/rows/program.ts';
import { decodeRow, encodeRow, layoutOf, RowView } from '../../src/rows/row-codec.ts';
import * as t from '../../src/rows/types.ts';

const types = [t.INT4, t.TEXT, t.INT8, t.NUMERIC, t.FLOAT8, t.BOOL].map((oid) => t.columnType(oid));
const layout = layoutOf(types);

function column(index: number): Expr {
  return { kind: 'column', type: types[index] as t.ColumnType, index };
}

function call(
  kind: AggregateKind,
  args: readonly Expr[],
  distinct = false,
  filter?: Expr,
): AggregateCall {
  const type = aggregateResultType(kind, args.map(exprType)) as t.ColumnType;
  return { kind, args, distinct, filter, type };
}

const isTrue: Expr = { kind: 'isBool', arg: column(5), value: true, negated: false };
const comma: Expr = { kind: 'constant', type: t.columnType(t.TEXT), value: ',' };

const calls: readonly AggregateCall[] = [
  call('count(*)', []),
  call('count', [column(1)]),
  call('sum', [column(0)]),
  call('sum', [column(2)]),
  call('sum', [column(3)]),
  call('avg', [column(0)]),
  call('avg', [column(3)]),
  call('min', [column(1)]),
  call('max', [column(3)]),
  call('bool_and', [column(5)]),
  call('bool_or', [column(5)]),
  call('count', [column(1)], true),
  call('sum', [column(0)], true),
  call('sum', [column(0)], false, isTrue),
  call('avg', [column(4)]),
  call('string_agg', [column(1), comma]),
];

const small = fc.option(fc.integer({ min: -3, max: 3 }), { nil: null });
const row = fc.tuple(
  small,
  fc.option(fc.constantFrom('', 'a', 'b', 'é'), { nil: null }),
  fc.option(fc.constantFrom(2, -5, 2n ** 62n, -(2n ** 62n)), { nil: null }),
  fc.option(
    fc.constantFrom('1.0', '1.00', '-2.5', 'NaN').map((digits) => Decimal.parse(digits)),
    { nil: null },
  ),
  fc.option(fc.constantFrom(0.5, -2, 4), { nil: null }),
  fc.option(fc.boolean(), { nil: null }),
);

function run(
  program: ScanProgram,
  rows: readonly (readonly Datum[])[],
  params: Datum[] = [],
): Uint8Array {
  const runner = new ProgramRunner(program, params);
  rows.forEach((values, i) => {
    const bytes = encodeRow(layout, values);
    runner.add(Uint8Array.of(i), bytes, 0, bytes.length);
  });
  runner.finish();
  return runner.out.take();
}

function rowsOf(program: ScanProgram, batch: Uint8Array): { key: number[]; values: Datum[] }[] {
  const reader = new PackedRowReader(batch);
  const out: { key: number[]; values: Datum[] }[] = [];
  while (reader.next()) {
    out.push({
      key: [...reader.key()],
      values: decodeRow(programOutputLayout(program), reader.row()),
    });
  }
  return out;
}

function aggregateDirectly(
  groupBy: readonly Expr[],
  rows: readonly (readonly Datum[])[],
): Datum[][] {
  const whole = new HashAggregation(groupBy, calls);
  for (const values of rows) whole.step(new TupleView(values), []);
  return finished(whole);
}

function finished(aggregation: HashAggregation): Datum[][] {
  const out: Datum[][] = [];
  aggregation.finish((values) => out.push(values));
  return out;
}

/** Decimals by what they print: a sum's scale counts, how it was reached does not. */
function textOf(answers: Datum[][]): string[][] {
  return answers.map((values) =>
    values.map((value) =>
      value instanceof Decimal ? value.toString() : JSON.stringify(value, exact),
    ),
  );
}

function exact(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}

describe('aggregates', () => {
  it.each([[[]], [[column(0)]], [[column(1), column(3)]], [[column(4)]]])(
    'merged from shards answer what one pass answers (%#)',
    (groupBy: Expr[]) => {
      const program: ScanProgram = {
        layout,
        filter: undefined,
        output: { kind: 'aggregate', groupBy, aggregates: calls },
      };
      fc.assert(
        fc.property(fc.array(row), fc.nat(30), fc.nat(30), (rows, a, b) => {
          const [first, second] = [Math.min(a, b), Math.max(a, b)];
          const merged = new HashAggregation(groupBy, calls);
          const view = new RowView();
          for (const part of [
            rows.slice(0, first),
            rows.slice(first, second),
            rows.slice(second),
          ]) {
            const reader = new PackedRowReader(run(program, part));
            while (reader.next()) {
              view.reset(
                merged.partialLayout,
                reader.bytes,
                reader.rowStart,
                reader.rowEnd - reader.rowStart,
              );
              merged.merge(view);
            }
          }
          expect(textOf(finished(merged))).toEqual(textOf(aggregateDirectly(groupBy, rows)));
        }),
        { numRuns: 60 },
      );
    },
  );

  it('answer what PostgreSQL answers', () => {
    const rows: Datum[][] = [
      [1, 'b', 2n ** 62n, Decimal.parse('1.0'), 0.5, true],
      [2, null, 2n ** 62n, Decimal.parse('2.25'), 1, null],
      [2, 'a', 5, null, null, false],
      [null, 'b', null, Decimal.parse('1.00'), 2, true],
    ];
    expect(aggregateDirectly([], rows)[0]?.map((value) => `${value as string | number}`)).toEqual([
      ...['4', '3', '5', '9223372036854775813', '4.25', '1.6666666666666667', '1.4166666666666667'],
      ...['a', '2.25', 'false', 'true', '2', '3', '1', '1.1666666666666667', 'b,a,b'],
    ]);
  });

  it('of no rows are NULL, but counts are 0', () => {
    const [answers] = aggregateDirectly([], []);
    expect(answers).toEqual(calls.map(({ kind }) => (kind.startsWith('count') ? 0 : null)));
    expect(aggregateDirectly([column(0)], [])).toEqual([]);
  });

  it('overflow as PostgreSQL does', () => {
    const sum = createAggregate(call('sum', [column(0)]));
    const partial = (value: bigint): void => sum.mergePartial(new TupleView([value]), 0);
    partial(2n ** 63n - 1n);
    partial(2n ** 63n - 1n);
    expect(() => sum.finish()).toThrow(
      expect.objectContaining({ code: '22003', message: 'bigint out of range' }),
    );
  });

  it('refuse more groups than they may hold', () => {
    const bounded = new HashAggregation([column(0)], [], 2);
    const add = (value: number): void => bounded.step(new TupleView([value]), []);
    add(1);
    add(2);
    add(1);
    expect(() => add(3)).toThrow(expect.objectContaining({ code: '53200' }));
  });
});

const filter: Expr = {
  kind: 'compare',
  op: '>',
  left: column(0),
  right: { kind: 'parameter', type: t.columnType(t.INT4), index: 0 },
};
const sample: Datum[][] = [
  [1, 'a', 1, null, null, null],
  [2, 'b', 2, null, 2.5, true],
  [3, null, 3, Decimal.parse('1.50'), null, false],
];

describe('scan programs', () => {
  it('filter and keep whole rows with their keys', () => {
    const program: ScanProgram = {
      layout,
      filter,
      output: { kind: 'rows', withKeys: true, columns: undefined },
    };
    expect(rowsOf(program, run(program, sample, [1]))).toEqual([
      { key: [1], values: sample[1] },
      { key: [2], values: sample[2] },
    ]);
  });

  it('project and drop keys', () => {
    const program: ScanProgram = {
      layout,
      filter,
      output: { kind: 'rows', withKeys: false, columns: [3, 0] },
    };
    expect(rowsOf(program, run(program, sample, [1]))).toEqual([
      { key: [], values: [null, 2] },
      { key: [], values: [Decimal.parse('1.50'), 3] },
    ]);
  });

  it('count output rows for whoever limits them', () => {
    const program: ScanProgram = {
      layout,
      filter,
      output: { kind: 'rows', withKeys: false, columns: [] },
    };
    const runner = new ProgramRunner(program, [1], new PackedRowWriter());
    const added = sample.map((values) => {
      const bytes = encodeRow(layout, values);
      return runner.add(new Uint8Array(0), bytes, 0, bytes.length);
    });
    expect(added).toEqual([false, true, true]);
    expect(runner.out.rowCount).toBe(2);
  });

  it('hand out groups before there are too many to hold', () => {
    const program: ScanProgram = {
      layout: layoutOf([t.columnType(t.INT4)]),
      filter: undefined,
      output: { kind: 'aggregate', groupBy: [column(0)], aggregates: [call('count(*)', [])] },
    };
    const runner = new ProgramRunner(program, []);
    const merged = new HashAggregation([column(0)], [call('count(*)', [])]);
    const groups = 100_001;
    for (let i = 0; i < groups; i++) {
      const bytes = encodeRow(program.layout, [i]);
      runner.add(new Uint8Array(0), bytes, 0, bytes.length);
      if (i === groups - 2) expect(runner.out.rowCount).toBe(100_000);
    }
    runner.finish();
    const view = new RowView();
    const reader = new PackedRowReader(runner.out.take());
    while (reader.next()) {
      view.reset(
        merged.partialLayout,
        reader.bytes,
        reader.rowStart,
        reader.rowEnd - reader.rowStart,
      );
      merged.merge(view);
    }
    expect(merged.groupCount).toBe(groups);
  });

  it('travel unchanged, every kind of expression', () => {
    const constants: Expr[] = [
      { kind: 'constant', type: t.columnType(t.NUMERIC), value: Decimal.parse('1.50') },
      { kind: 'constant', type: t.columnType(t.INT8), value: 2n ** 60n },
      { kind: 'constant', type: t.columnType(t.VARCHAR, 14), value: 'é' },
      { kind: 'constant', type: t.columnType(t.BYTEA), value: null },
    ];
    const everything: Expr = {
      kind: 'and',
      args: [
        filter,
        { kind: 'or', args: [isTrue, { kind: 'not', arg: column(5) }] },
        { kind: 'isNull', arg: column(1), negated: true },
        { kind: 'isDistinct', left: column(0), right: column(0), negated: true },
        { kind: 'in', arg: column(3), list: constants, negated: true },
        {
          kind: 'case',
          type: t.columnType(t.BOOL),
          whens: [{ when: isTrue, result: column(5) }],
          otherwise: { kind: 'coalesce', type: t.columnType(t.BOOL), args: [column(5), isTrue] },
        },
        {
          kind: 'call',
          type: t.columnType(t.BOOL),
          name: 'text~~text',
          args: [
            { kind: 'cast', type: t.columnType(t.TEXT), arg: column(0), context: 'explicit' },
            comma,
          ],
        },
      ],
    };
    const missing: Datum[] = [1, 'x', null, Decimal.NAN, -0.5, true];
    const programs: ScanProgram[] = [
      {
        layout: { types, missing },
        filter: everything,
        output: { kind: 'rows', withKeys: true, columns: [5, 0] },
      },
      {
        layout,
        filter: undefined,
        output: { kind: 'rows', withKeys: false, columns: undefined },
      },
      {
        layout,
        filter,
        output: { kind: 'aggregate', groupBy: [everything], aggregates: calls },
      },
    ];
    for (const program of programs) {
      expect(decodeProgram(encodeProgram(program))).toEqual(program);
    }
    expect(decodeParameters(encodeParameters(types, missing))).toEqual(missing);
  });

  it('of a newer format are refused, naming both versions', () => {
    const bytes = encodeParameters([], []);
    bytes[0] = 9;
    expect(() => decodeParameters(bytes)).toThrow(/format version 9.*version 1/);
  });
});
