// Reading one table: rows by their keys in groups, or scans of spans with filter and projection done where the rows are.

import { EMPTY_BYTES } from '../../base/bytes.ts';
import { isPromise, type Maybe } from '../../base/maybe.ts';
import type { RowScan, ScanBatch, ScanRequest, Span } from '../../ranges/api.ts';
import { compilePackedPredicate, type PackedPredicate } from '../../rows/compile-packed.ts';
import type { Expr } from '../../rows/expr.ts';
import { PackedRowReader } from '../../rows/packed-rows.ts';
import {
  encodeParameters,
  encodeProgram,
  programOutputLayout,
  type ScanProgram,
} from '../../rows/program.ts';
import { type RowLayout, RowView } from '../../rows/row-codec.ts';
import type { LockOptions } from '../../txn/api.ts';
import { isCovered, isOverEntries, overEntries } from '../plan/covering.ts';
import { conjunction, conjunctsOf, parametersIn } from '../plan/expr-tools.ts';
import type { TableNode } from '../plan/nodes.ts';
import type { IndexRule } from '../plan/table-rules.ts';
import type { CompiledNode } from './cursor.ts';
import { type Execution, type SlotSet, transactionOf } from './execution.ts';
import { EntryKeys } from './index-entries.ts';
import { KeySpans } from './key-spans.ts';
import { LookupCursor, type TableCursor } from './lookup.ts';

/** Bytes that one batch of a scan may have. */
const BATCH_BYTES = 128 * 1024;
/** Rows that are got by key at once. */
const POINT_BATCH = 256;

/** Whole rows with their keys, for statements that write them. */
export function compileLockedRows(
  node: TableNode,
  slots: SlotSet,
): (execution: Execution) => TableCursor {
  if (node.access.index !== undefined) return lookupOpener(node, node.access.index, slots);
  if (node.access.kind === 'points') return pointsOpener(node, node.table.layout, node.filter);
  const output = { kind: 'rows', withKeys: true, columns: undefined } as const;
  const scan = new CompiledScan(
    node,
    { layout: node.table.layout, filter: node.filter, output },
    slots,
  );
  return (execution) => scan.open(execution, 0);
}

export function compileTable(
  node: TableNode,
  needed: ReadonlySet<number>,
  slots: SlotSet,
): CompiledNode {
  const { base, table } = node;
  const { index } = node.access;
  if (index !== undefined) return compileIndex(node, index, needed, slots);
  if (node.access.kind === 'points') {
    const open = pointsOpener(node, table.layout, node.filter);
    return { isStored: true, position: (slot) => slot - base, open };
  }
  const all = table.layout.types.map((_, i) => i);
  const wanted = all.filter((position) => needed.has(base + position));
  const columns = wanted.length === all.length ? undefined : wanted;
  const output = { kind: 'rows', withKeys: false, columns } as const;
  const scan = new CompiledScan(node, { layout: table.layout, filter: node.filter, output }, slots);
  return {
    isStored: true,
    position: (slot) => (columns === undefined ? slot - base : columns.indexOf(slot - base)),
    open: (execution, rowsWanted) => scan.open(execution, rowsWanted),
  };
}

/** A program over the spans of a table's access: compiled and packed once. */
export class CompiledScan {
  readonly #node: TableNode;
  readonly #spans: KeySpans;
  readonly #layout: RowLayout;
  readonly #program: Uint8Array | undefined;
  readonly #slots: SlotSet;
  readonly #used: ReadonlySet<number>;

  constructor(node: TableNode, program: ScanProgram, slots: SlotSet) {
    const { output, filter } = program;
    this.#node = node;
    this.#slots = slots;
    this.#spans = new KeySpans(node.table.primary, node.access);
    this.#layout = programOutputLayout(program);
    // Without a program a scan returns keys and whole rows.
    const isPlain =
      output.kind === 'rows' && output.withKeys && output.columns === undefined && !filter;
    this.#program = isPlain ? undefined : encodeProgram(program);
    const exprs: Expr[] = filter === undefined ? [] : [filter];
    if (output.kind === 'aggregate') {
      exprs.push(...output.groupBy);
      for (const call of output.aggregates) {
        exprs.push(...call.args, ...(call.filter === undefined ? [] : [call.filter]));
      }
    }
    this.#used = new Set(exprs.flatMap(parametersIn));
  }

  open(execution: Execution, rowsWanted: number): TableCursor {
    const spans = this.#spans.spans(execution.params);
    if (this.#node.reverse) spans.reverse();
    const parameters =
      this.#used.size > 0
        ? encodeParameters(
            this.#slots.types,
            execution.params.map((value, i) => (this.#used.has(i) ? value : null)),
          )
        : undefined;
    const request: Omit<ScanRequest, 'span'> = {
      reverse: this.#node.reverse,
      program: this.#program,
      parameters,
      limitRows: rowsWanted,
      batchBytes: BATCH_BYTES,
    };
    const { entryLock, lock } = this.#node;
    return new ScanCursor(execution, spans, request, this.#layout, entryLock ?? lock);
  }
}

/** Through a secondary index: its entries alone if they have all that is needed, otherwise the rows behind them. */
function compileIndex(
  node: TableNode,
  index: IndexRule,
  needed: ReadonlySet<number>,
  slots: SlotSet,
): CompiledNode {
  const { base, table } = node;
  const positions = [...needed]
    .map((slot) => slot - base)
    .filter((position) => position >= 0 && position < table.layout.types.length);
  if (!isCovered(node, positions)) {
    const open = lookupOpener(node, index, slots);
    return { isStored: true, position: (slot) => slot - base, open };
  }
  slots.indexOnly.add(node);
  const filter = node.filter === undefined ? undefined : overEntries(index, node.filter);
  const { layout } = index;
  const position = (slot: number): number => index.positions.indexOf(slot - base);
  if (node.access.kind === 'points') {
    return { isStored: true, position, open: pointsOpener(node, layout, filter) };
  }
  const output = { kind: 'rows', withKeys: false, columns: undefined } as const;
  const scan = new CompiledScan(node, { layout, filter, output }, slots);
  return { isStored: true, position, open: (execution, wanted) => scan.open(execution, wanted) };
}

function lookupOpener(
  node: TableNode,
  index: IndexRule,
  slots: SlotSet,
): (execution: Execution, rowsWanted?: number) => TableCursor {
  const conjuncts = conjunctsOf(node.filter);
  const here = conjunction(conjuncts.filter((part) => isOverEntries(index, part)));
  const filter = here === undefined ? undefined : overEntries(index, here);
  // What is skipped over when it is locked is read without a lock on the entry: it may have changed since.
  const rest =
    node.lock?.wait === 'skip'
      ? node.conditions
      : conjunction(conjuncts.filter((part) => !isOverEntries(index, part)));
  const rowFilter = rest === undefined ? undefined : compilePackedPredicate(rest);
  if (node.access.kind === 'points') {
    const open = pointsOpener(node, index.layout, filter);
    const keys = new EntryKeys(node.table, index);
    return (execution) =>
      new LookupCursor(node, execution, () => open(execution), keys, rowFilter, 0);
  }
  const columns = node.table.primary.columns.map((c) => index.positions.indexOf(c.position));
  const program: ScanProgram = {
    layout: index.layout,
    filter,
    output: { kind: 'rows', withKeys: false, columns },
  };
  const scan = new CompiledScan(node, program, slots);
  const keys = new EntryKeys(node.table, index, programOutputLayout(program));
  return (execution, rowsWanted = 0) =>
    new LookupCursor(
      node,
      execution,
      (wanted) => scan.open(execution, wanted),
      keys,
      rowFilter,
      rowsWanted,
    );
}

class ScanCursor implements TableCursor {
  readonly row: RowView = new RowView();
  readonly #execution: Execution;
  readonly #spans: readonly Span[];
  readonly #request: Omit<ScanRequest, 'span'>;
  readonly #layout: RowLayout;
  readonly #lock: LockOptions | undefined;
  readonly #reader = new PackedRowReader();
  #nextSpan = 0;
  #scan: RowScan | undefined;
  #closed = false;

  constructor(
    execution: Execution,
    spans: readonly Span[],
    request: Omit<ScanRequest, 'span'>,
    layout: RowLayout,
    lock: LockOptions | undefined,
  ) {
    this.#execution = execution;
    this.#spans = spans;
    this.#request = request;
    this.#layout = layout;
    this.#lock = lock;
  }

  next(): Maybe<boolean> {
    const reader = this.#reader;
    if (reader.next()) {
      this.row.reset(this.#layout, reader.bytes, reader.rowStart, reader.rowEnd - reader.rowStart);
      return true;
    }
    if (this.#closed || (this.#scan === undefined && this.#nextSpan === this.#spans.length)) {
      return false;
    }
    return this.#nextBatch();
  }

  key(): Uint8Array {
    return this.#reader.key();
  }

  close(): void {
    this.#closed = true;
    this.#scan?.close();
    this.#scan = undefined;
    this.#reader.reset(EMPTY_BYTES);
  }

  async #nextBatch(): Promise<boolean> {
    for (;;) {
      this.#execution.context.checkCancelled();
      if (this.#scan === undefined) {
        const span = this.#spans[this.#nextSpan];
        if (span === undefined) return false;
        this.#nextSpan++;
        const opened = this.#openScan(span);
        this.#scan = isPromise(opened) ? await opened : opened;
      }
      const batch: ScanBatch | undefined = await this.#scan.next();
      // The statement may have been given up while the batch was under way.
      if (this.#closed) {
        this.#scan?.close();
        return false;
      }
      if (batch === undefined || batch.isLast === true) this.#scan = undefined;
      if (batch === undefined) continue;
      const { reads } = this.#execution.context;
      if (reads !== undefined) {
        reads.batches++;
        reads.rows += batch.rowCount;
        reads.bytes += batch.rows.length;
      }
      this.#reader.reset(batch.rows);
      if (this.#reader.next()) {
        const { bytes, rowStart, rowEnd } = this.#reader;
        this.row.reset(this.#layout, bytes, rowStart, rowEnd - rowStart);
        return true;
      }
    }
  }

  #openScan(span: Span): Maybe<RowScan> {
    const { context } = this.#execution;
    const { reverse, program, parameters, limitRows, batchBytes } = this.#request;
    const spec = { span, reverse, program, parameters, limitRows, batchBytes };
    return this.#lock === undefined
      ? context.view.scan(spec)
      : transactionOf(this.#execution).scanLocked(spec, this.#lock);
  }
}

function pointsOpener(
  node: TableNode,
  layout: RowLayout,
  filter: Expr | undefined,
): (execution: Execution) => TableCursor {
  const keys = new KeySpans(node.table.primary, node.access);
  const holds = filter === undefined ? undefined : compilePackedPredicate(filter);
  return (execution) => {
    const found = keys.points(execution.params);
    return new PointsCursor(node, layout, execution, found, holds);
  };
}

class PointsCursor implements TableCursor {
  readonly row: RowView = new RowView();
  readonly #node: TableNode;
  readonly #layout: RowLayout;
  readonly #execution: Execution;
  readonly #keys: readonly Uint8Array[];
  readonly #filter: PackedPredicate | undefined;
  #rows: readonly (Uint8Array | undefined)[] = [];
  /** Of #rows[0] in #keys. */
  #first = 0;
  #at = 0;
  #closed = false;

  constructor(
    node: TableNode,
    layout: RowLayout,
    execution: Execution,
    keys: Uint8Array[],
    filter: PackedPredicate | undefined,
  ) {
    this.#node = node;
    this.#layout = layout;
    this.#execution = execution;
    this.#keys = node.reverse ? keys.reverse() : keys;
    this.#filter = filter;
  }

  next(): Maybe<boolean> {
    for (;;) {
      if (this.#step()) return true;
      this.#first += this.#rows.length;
      this.#at = 0;
      this.#rows = [];
      if (this.#closed || this.#first >= this.#keys.length) return false;
      const rows = this.#read();
      if (isPromise(rows)) return this.#stepLater(rows);
      this.#rows = rows;
    }
  }

  key(): Uint8Array {
    return this.#keys[this.#first + this.#at - 1] as Uint8Array;
  }

  close(): void {
    this.#closed = true;
    this.#rows = [];
  }

  #step(): boolean {
    const layout = this.#layout;
    while (this.#at < this.#rows.length) {
      const bytes = this.#rows[this.#at++];
      if (bytes === undefined) continue;
      this.row.reset(layout, bytes, 0, bytes.length);
      if (this.#filter === undefined || this.#filter(this.row, this.#execution.params)) return true;
    }
    return false;
  }

  async #stepLater(rows: Promise<readonly (Uint8Array | undefined)[]>): Promise<boolean> {
    this.#rows = await rows;
    const more = this.next();
    return isPromise(more) ? await more : more;
  }

  #read(): Maybe<readonly (Uint8Array | undefined)[]> {
    const { context } = this.#execution;
    context.checkCancelled();
    const keys = this.#keys.slice(this.#first, this.#first + POINT_BATCH);
    if (context.reads !== undefined) context.reads.keys += keys.length;
    const lock = this.#node.entryLock ?? this.#node.lock;
    return lock === undefined
      ? context.view.getMany(keys)
      : transactionOf(this.#execution).getManyLocked(keys, lock);
  }
}
