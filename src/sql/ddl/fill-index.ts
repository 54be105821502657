// Entries for the rows that a table has: loaded in batches into indexes that nobody sees until the descriptor that names
// them commits, while the change has the table alone. Memory is bounded by the batches, time by the rows.

import { DbError } from '../../base/errors.ts';
import { isPromise } from '../../base/maybe.ts';
import type { Datum } from '../../rows/datum.ts';
import { PackedRowReader } from '../../rows/packed-rows.ts';
import { RowView } from '../../rows/row-codec.ts';
import type { SecondaryIndex, TableDescriptor } from '../catalog/descriptor.ts';
import { indexSpan } from '../catalog/keys.ts';
import { BulkLoader } from '../copy/bulk-loader.ts';
import { keyShown } from '../exec/duplicates.ts';
import { suspending } from '../exec/execution.ts';
import { IndexEntries } from '../exec/index-entries.ts';
import { tableRules } from '../plan/bind-rules.ts';
import type { DdlContext } from './context.ts';
import { clearNow, nothingToDo } from './tables.ts';

const SCAN_BATCH_BYTES = 1 << 20;

/** Runs `each` over the stored rows; the array is the same each time. */
export async function eachRow(
  ctx: DdlContext,
  table: TableDescriptor,
  each: (values: Datum[]) => void,
  batchOver: () => Promise<void>,
): Promise<void> {
  const scan = await ctx.txn.scan({
    span: indexSpan(table.primary.id),
    reverse: false,
    program: undefined,
    parameters: undefined,
    limitRows: 0,
    batchBytes: SCAN_BATCH_BYTES,
  });
  const reader = new PackedRowReader();
  const view = new RowView();
  const width = table.layout.types.length;
  const values: Datum[] = table.layout.types.map(() => null);
  const step = (): void => each(values);
  try {
    for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
      ctx.checkCancelled();
      reader.reset(batch.rows);
      while (reader.next()) {
        view.reset(table.layout, reader.bytes, reader.rowStart, reader.rowEnd - reader.rowStart);
        for (let i = 0; i < width; i++) values[i] = view.datum(i);
        const done = suspending(step);
        if (isPromise(done)) await done;
      }
      await batchOver();
    }
  } finally {
    scan.close();
  }
}

/** `indexes` are of the table and new to this transaction. */
export async function fillIndexes(
  ctx: DdlContext,
  table: TableDescriptor,
  indexes: readonly SecondaryIndex[],
): Promise<void> {
  if (indexes.length === 0) return;
  const rules = tableRules(table, ctx.catalog).indexes;
  const filling = rules
    .filter(({ index }) => indexes.some(({ id }) => id === index.id))
    .map((rule) => new IndexLoad(ctx, table, new IndexEntries(table, rule)));
  await eachRow(
    ctx,
    table,
    (values) => {
      for (const load of filling) load.add(values);
    },
    async () => {
      for (const load of filling) await load.flushIfFull();
    },
  );
  for (const load of filling) await load.finish();
}

/** Entries of one index on their way around the transaction. */
class IndexLoad {
  readonly #ctx: DdlContext;
  readonly #entries: IndexEntries;
  readonly #loader: BulkLoader;
  #isRecorded = false;

  constructor(ctx: DdlContext, table: TableDescriptor, entries: IndexEntries) {
    this.#ctx = ctx;
    this.#entries = entries;
    const { index } = entries;
    const duplicate = (entry: Uint8Array): DbError =>
      new DbError('23505', `could not create unique index "${index.name}"`, {
        detail: `${keyShown(entries.keyOf(entry))} is duplicated.`,
        table: table.name,
        constraint: index.name,
      });
    this.#loader = new BulkLoader(
      {
        bulkWrite: (writes) => ctx.transactions.bulkWrite(writes, true),
        existing: (keys) => ctx.transactions.snapshot().getMany(keys),
        duplicate,
      },
      false,
      !index.unique,
    );
    ctx.schemaChanged(nothingToDo, () => {
      void this.#loader.stop().then(() => clearNow(ctx, index.id));
    });
  }

  add(values: readonly Datum[]): void {
    const entry = this.#entries.entry(values);
    if (entry !== undefined) this.#loader.add(entry.key, entry.value, 0);
  }

  async flushIfFull(): Promise<void> {
    await this.#record();
    if (this.#loader.full) await this.#loader.flush();
  }

  async finish(): Promise<void> {
    await this.#record();
    await this.#loader.finish();
  }

  /** After a crash the keys are cleared. */
  async #record(): Promise<void> {
    if (this.#isRecorded || this.#loader.isEmpty) return;
    this.#isRecorded = true;
    await this.#ctx.catalog.bulkLoads(this.#ctx.txn, this.#entries.index.id);
  }
}
