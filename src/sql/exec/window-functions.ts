// What each window function makes of a partition.

import { DbError } from '../../base/errors.ts';
import { type AggregateState, CompiledAggregate } from '../../rows/aggregates.ts';
import { type CompiledExpr, compileExpr, TupleView } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import { mapSlots } from '../plan/expr-tools.ts';
import type { SortKey, WindowNode } from '../plan/nodes.ts';
import type { Execution } from './execution.ts';
import { CompiledFrame, type Frames, type Partition, type Row } from './window-frame.ts';

type Call = WindowNode['windows'][number]['calls'][number];

/** Writes the call's values into the partition's rows. */
export type CallFiller = (partition: Partition, execution: Execution) => Promise<void>;

export function compileCall(
  call: Call,
  keys: readonly SortKey[],
  position: (slot: number) => number,
): CallFiller {
  const mapped = call.args.map((arg) => mapSlots(arg, position));
  const frame = new CompiledFrame(call.frame, keys);
  const { result } = call;
  if (call.function.kind === 'aggregate') {
    const { call: aggregate } = call.function;
    const args = mapped.slice(0, aggregate.args.length);
    const filter = aggregate.filter === undefined ? undefined : mapped[args.length];
    return aggregateFiller(new CompiledAggregate({ ...aggregate, args, filter }), frame, result);
  }
  const args = mapped.map(compileExpr);
  const values = own(call.function.name, args, frame);
  return async (partition, execution) => {
    const valueAt = values(partition, execution.params);
    for (let i = 0; i < partition.length; i++) {
      if (execution.isPauseDue()) await execution.pause();
      (partition.rows[i] as Row)[result] = valueAt(i);
    }
  };
}

/** Of row i of the partition, asked for in order. */
type ValueAt = (i: number) => Datum;

function own(
  name: string,
  args: readonly CompiledExpr[],
  frame: CompiledFrame,
): (partition: Partition, params: readonly Datum[]) => ValueAt {
  switch (name) {
    case 'row_number':
      return () => (i) => i + 1;
    case 'rank':
      return (p) => (i) => (p.peersFrom[i] as number) + 1;
    case 'dense_rank':
      return (p) => (i) => (p.group[i] as number) + 1;
    case 'percent_rank':
      return (p) => (i) => (p.length === 1 ? 0 : (p.peersFrom[i] as number) / (p.length - 1));
    case 'cume_dist':
      return (p) => (i) => (p.peersTo[i] as number) / p.length;
    case 'ntile':
      return (p, params) => ntile(p, args, params);
    case 'lag':
      return (p, params) => shifted(p, args, params, -1);
    case 'lead':
      return (p, params) => shifted(p, args, params, 1);
    default:
      return (p, params) => inFrame(name, p, args, params, frame);
  }
}

function ntile(
  { rows, length }: Partition,
  [count]: readonly CompiledExpr[],
  params: readonly Datum[],
): ValueAt {
  const view = new TupleView(rows[0] as Row);
  const buckets = count?.(view, params) ?? null;
  if (buckets === null) return () => null;
  if ((buckets as number) <= 0) {
    throw new DbError('22014', 'argument of ntile must be greater than zero');
  }
  const size = Math.floor(length / (buckets as number));
  const larger = length % (buckets as number);
  const inLarger = larger * (size + 1);
  return (i) =>
    i < inLarger
      ? Math.floor(i / (size + 1)) + 1
      : larger + Math.floor((i - inLarger) / Math.max(size, 1)) + 1;
}

function shifted(
  { rows }: Partition,
  [value, offset, otherwise]: readonly CompiledExpr[],
  params: readonly Datum[],
  direction: 1 | -1,
): ValueAt {
  const view = new TupleView([]);
  return (i) => {
    view.values = rows[i] as Row;
    const by = offset === undefined ? 1 : offset(view, params);
    if (by === null) return null;
    const at = rows[i + Number(by) * direction];
    if (at === undefined) return otherwise === undefined ? null : otherwise(view, params);
    view.values = at;
    return (value as CompiledExpr)(view, params);
  };
}

/** first_value, last_value, nth_value. */
function inFrame(
  name: string,
  partition: Partition,
  [value, nth]: readonly CompiledExpr[],
  params: readonly Datum[],
  frame: CompiledFrame,
): ValueAt {
  const { rows } = partition;
  const frames = frame.frames(partition, params);
  const view = new TupleView([]);
  const valueOf = (row: number): Datum => {
    if (row < 0) return null;
    view.values = rows[row] as Row;
    return (value as CompiledExpr)(view, params);
  };
  return (i) => {
    const [from, to] = [frames.from(i), frames.to(i)];
    const isIn = inclusion(partition, frame, i);
    if (name === 'first_value') return valueOf(nthIn(from, to, isIn, 1));
    if (name === 'last_value') return valueOf(lastIn(from, to, isIn));
    view.values = rows[i] as Row;
    const wanted = (nth as CompiledExpr)(view, params);
    if (wanted === null) return null;
    if ((wanted as number) <= 0) {
      throw new DbError('22016', 'argument of nth_value must be greater than zero');
    }
    return valueOf(nthIn(from, to, isIn, wanted as number));
  };
}

type Inclusion = ((row: number) => boolean) | undefined;

/** Undefined: nothing is excluded. */
function inclusion(partition: Partition, { exclude }: CompiledFrame, current: number): Inclusion {
  if (exclude === 'none') return undefined;
  if (exclude === 'currentRow') return (row) => row !== current;
  const from = partition.peersFrom[current] as number;
  const to = partition.peersTo[current] as number;
  const keepsSelf = exclude === 'ties';
  return (row) => row < from || row >= to || (keepsSelf && row === current);
}

function nthIn(from: number, to: number, isIn: Inclusion, wanted: number): number {
  if (isIn === undefined) return from + wanted <= to ? from + wanted - 1 : -1;
  let left = wanted;
  for (let row = from; row < to; row++) if (isIn(row) && --left === 0) return row;
  return -1;
}

function lastIn(from: number, to: number, isIn: Inclusion): number {
  for (let row = to - 1; row >= from; row--) if (isIn === undefined || isIn(row)) return row;
  return -1;
}

function aggregateFiller(
  aggregate: CompiledAggregate,
  frame: CompiledFrame,
  result: number,
): CallFiller {
  return async (partition, execution) => {
    const frames = frame.frames(partition, execution.params);
    const values = frame.grows
      ? growing(aggregate, partition, frames, execution)
      : moving(aggregate, partition, frames, frame, execution);
    for (let i = 0; i < partition.length; i++) {
      if (execution.isPauseDue()) await execution.pause();
      (partition.rows[i] as Row)[result] = values(i);
    }
  };
}

/** Frames that begin where the partition does: each row is taken once. */
function growing(
  aggregate: CompiledAggregate,
  { rows }: Partition,
  frames: Frames,
  { params }: Execution,
): ValueAt {
  const state = aggregate.create();
  const view = new TupleView([]);
  let taken = 0;
  let answer: Datum | undefined;
  return (i) => {
    const to = frames.to(i);
    if (taken === to && answer !== undefined) return answer;
    for (; taken < to; taken++) {
      view.values = rows[taken] as Row;
      state.step(view, params);
    }
    answer = state.finish();
    return answer;
  };
}

/** Frames that leave rows behind: made anew for each row, unless it has the frame of the one before. */
function moving(
  aggregate: CompiledAggregate,
  partition: Partition,
  frames: Frames,
  frame: CompiledFrame,
  execution: Execution,
): ValueAt {
  const { rows } = partition;
  const view = new TupleView([]);
  let [from, to] = [-1, -1];
  let answer: Datum = null;
  const take = (state: AggregateState, row: number): void => {
    view.values = rows[row] as Row;
    state.step(view, execution.params);
  };
  return (i) => {
    const [first, end] = [frames.from(i), frames.to(i)];
    const isIn = inclusion(partition, frame, i);
    if (isIn === undefined && first === from && end === to) return answer;
    [from, to] = [first, end];
    const state = aggregate.create();
    for (let row = from; row < to; row++) if (isIn === undefined || isIn(row)) take(state, row);
    answer = state.finish();
    return answer;
  };
}
