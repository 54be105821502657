// CREATE, ALTER and DROP SEQUENCE, and the sequences of serial and identity columns.

import { DbError } from '../../base/errors.ts';
import { INT2, INT4, INT8 } from '../../rows/types.ts';
import {
  type ColumnDescriptor,
  PLAIN_TABLE,
  type SequenceOptions,
  type TableDescriptor,
} from '../catalog/descriptor.ts';
import { relationExists, relationMissing } from '../catalog/errors.ts';
import { initialState } from '../catalog/sequences.ts';
import type {
  AlterSequenceStatement,
  ColumnDefinition,
  CreateSequenceStatement,
  DropSequenceStatement,
  Expression,
  Name,
  SequenceWords,
} from '../parse/ast.ts';
import { formatIdentifier } from '../parse/format.ts';
import { parseExpressionText } from '../parse/postgres.ts';
import { resolveTypeName } from '../types/names.ts';
import type { DdlContext } from './context.ts';
import { freeName, isRelation } from './relation-names.ts';
import { clearNow, findTable, leaveIndexes, nothingToDo, targetSchema } from './tables.ts';

const LIMITS: ReadonlyMap<number, bigint> = new Map([
  [INT2, 2n ** 15n],
  [INT4, 2n ** 31n],
  [INT8, 2n ** 63n],
]);

type Sequence = TableDescriptor & { readonly sequence: SequenceOptions };

export async function createSequence(
  statement: CreateSequenceStatement,
  ctx: DdlContext,
): Promise<string> {
  const schema = targetSchema(statement.sequence, ctx);
  const { name } = statement.sequence;
  if (isRelation(ctx, schema, name)) {
    if (!statement.ifNotExists) throw relationExists(name);
    ctx.notice('NOTICE', '42P07', `relation "${name}" already exists, skipping`);
    return 'CREATE SEQUENCE';
  }
  const options = optionsOf(statement.words, undefined);
  const made = await makeSequence(ctx, schema, name, options);
  const { owner } = statement.words;
  if (owner !== undefined) await own(ctx, made, owner);
  return 'CREATE SEQUENCE';
}

export async function alterSequence(
  statement: AlterSequenceStatement,
  ctx: DdlContext,
): Promise<string> {
  const { sequence: name, words, ifExists } = statement;
  const found = await findSequence(ctx, name);
  if (found === undefined) {
    if (!ifExists) throw relationMissing({ ...name, at: -1 });
    ctx.notice('NOTICE', '00000', `relation "${name.name}" does not exist, skipping`);
    return 'ALTER SEQUENCE';
  }
  await ctx.catalog.exclusive(ctx.txn, found, () => ctx.checkCancelled());
  const sequence = optionsOf(words, found.sequence);
  let altered: Sequence = { ...found, sequence };
  if (words.restart !== undefined) {
    const first = words.restart === null ? sequence.start : BigInt(words.restart);
    demandWithin(found.name, first, sequence);
    altered = await restarted(ctx, altered);
    const { key, state } = initialState(altered, first);
    ctx.txn.put(key, state);
  } else {
    altered = { ...(await ctx.catalog.replace(ctx.txn, altered)), sequence };
  }
  if (words.owner !== undefined) await own(ctx, altered, words.owner);
  ctx.schemaChanged(nothingToDo, nothingToDo);
  return 'ALTER SEQUENCE';
}

/** Its state begins anew: under a fresh index, so that a rollback has nothing to restore. */
async function restarted(ctx: DdlContext, sequence: Sequence): Promise<Sequence> {
  const primary = { ...sequence.primary, id: await ctx.catalog.newIndexId() };
  const next = await ctx.catalog.replace(ctx.txn, { ...sequence, primary });
  leaveIndexes(ctx, [sequence.primary.id]);
  clearIfRolledBack(ctx, primary.id);
  return { ...next, sequence: sequence.sequence };
}

/** Numbers are taken outside of the transaction. */
function clearIfRolledBack(ctx: DdlContext, indexId: number): void {
  ctx.schemaChanged(nothingToDo, () => clearNow(ctx, indexId));
}

export async function restartOwned(ctx: DdlContext, table: TableDescriptor): Promise<void> {
  for (const sequence of ownedBy(ctx, table)) {
    await ctx.catalog.exclusive(ctx.txn, sequence, () => ctx.checkCancelled());
    await restarted(ctx, sequence);
  }
}

export async function dropSequences(
  statement: DropSequenceStatement,
  ctx: DdlContext,
): Promise<string> {
  for (const name of statement.sequences) {
    const found = await findSequence(ctx, name);
    if (found === undefined) {
      const shown = name.schema === undefined ? name.name : `${name.schema}.${name.name}`;
      if (!statement.ifExists) throw new DbError('42P01', `sequence "${shown}" does not exist`);
      ctx.notice('NOTICE', '00000', `sequence "${name.name}" does not exist, skipping`);
      continue;
    }
    await refuseUsed(ctx, found);
    await dropSequence(ctx, found);
  }
  return 'DROP SEQUENCE';
}

async function refuseUsed(ctx: DdlContext, sequence: Sequence): Promise<void> {
  const text = nextvalText(sequence);
  for (const table of ctx.catalog.all()) {
    const column = table.columns.find((c) => c.defaultText === text);
    if (column === undefined) continue;
    const message =
      column.identity === undefined
        ? `cannot drop sequence ${sequence.name} because other objects depend on it`
        : `cannot drop sequence ${sequence.name} because column ${column.name} of table ${table.name} requires it`;
    throw new DbError('2BP01', message, {
      detail: `default value for column ${column.name} of table ${table.name} depends on sequence ${sequence.name}`,
      hint: 'Drop the default first.',
    });
  }
}

async function dropSequence(ctx: DdlContext, sequence: Sequence): Promise<void> {
  await ctx.catalog.exclusive(ctx.txn, sequence, () => ctx.checkCancelled());
  await ctx.catalog.drop(ctx.txn, sequence);
  leaveIndexes(ctx, [sequence.primary.id]);
}

/** With its table, or one column of it. */
export async function dropOwned(
  ctx: DdlContext,
  table: TableDescriptor,
  columnId?: number,
): Promise<void> {
  for (const sequence of ownedBy(ctx, table)) {
    if (columnId !== undefined && sequence.sequence.ownerColumn !== columnId) continue;
    await dropSequence(ctx, sequence);
  }
}

function ownedBy(ctx: DdlContext, table: TableDescriptor): readonly Sequence[] {
  // Most tables own none, and there may be many of them.
  if (!table.columns.some((c) => c.defaultText?.startsWith('nextval(') === true)) return [];
  return ctx.catalog.all().filter((one): one is Sequence => one.sequence?.ownerTable === table.id);
}

async function own(
  ctx: DdlContext,
  sequence: Sequence,
  owner: NonNullable<SequenceWords['owner']> | null,
): Promise<void> {
  let [ownerTable, ownerColumn] = [0, 0];
  if (owner !== null) {
    const table = await findTable(ctx, owner.table);
    if (table === undefined) throw relationMissing(owner.table);
    const column = table.columns.find((c) => c.name === owner.column && !c.hidden);
    if (column === undefined) {
      const message = `column "${owner.column}" of relation "${table.name}" does not exist`;
      throw new DbError('42703', message);
    }
    [ownerTable, ownerColumn] = [table.id, column.id];
  }
  const options = { ...sequence.sequence, ownerTable, ownerColumn };
  await ctx.catalog.replace(ctx.txn, { ...sequence, sequence: options });
}

async function makeSequence(
  ctx: DdlContext,
  schema: string,
  name: string,
  sequence: SequenceOptions,
): Promise<Sequence> {
  const id = await ctx.catalog.newIndexId();
  const made = await ctx.catalog.create(ctx.txn, {
    ...PLAIN_TABLE,
    schema,
    name,
    columns: [],
    primary: { id, name, columns: [] },
    hasPrimaryKey: false,
    nextColumnId: 1,
    sequence,
  });
  clearIfRolledBack(ctx, id);
  return { ...made, sequence };
}

async function findSequence(ctx: DdlContext, name: Name): Promise<Sequence | undefined> {
  const found = await findTable(ctx, name);
  if (found === undefined) return undefined;
  const { sequence } = found;
  if (sequence === undefined) throw new DbError('42809', `"${found.name}" is not a sequence`);
  return found as Sequence;
}

function optionsOf(words: SequenceWords, before: SequenceOptions | undefined): SequenceOptions {
  const number = (text: string): bigint => {
    if (/^-?\d+$/.test(text)) return BigInt(text);
    throw new DbError('22P02', `invalid input syntax for type bigint: "${text}"`);
  };
  const typeOid =
    words.type === undefined ? (before?.typeOid ?? INT8) : resolveTypeName(words.type).oid;
  const limit = LIMITS.get(typeOid);
  if (limit === undefined) {
    throw new DbError('22023', 'sequence type must be smallint, integer, or bigint');
  }
  const increment =
    words.increment === undefined ? (before?.increment ?? 1n) : number(words.increment);
  if (increment === 0n) throw new DbError('22023', 'INCREMENT must not be zero');
  const isUp = increment > 0n;
  const bound = (
    word: string | null | undefined,
    old: bigint | undefined,
    usual: bigint,
  ): bigint => (word === undefined ? (old ?? usual) : word === null ? usual : number(word));
  const keeps = words.type === undefined ? before : undefined;
  const min = bound(words.min, keeps?.min, isUp ? 1n : -limit);
  const max = bound(words.max, keeps?.max, isUp ? limit - 1n : -1n);
  if (min < -limit) throw outOfRange('MINVALUE', min, typeOid);
  if (max >= limit) throw outOfRange('MAXVALUE', max, typeOid);
  if (min >= max) {
    throw new DbError('22023', `MINVALUE (${min}) must be less than MAXVALUE (${max})`);
  }
  const start =
    words.start === undefined ? (before?.start ?? (isUp ? min : max)) : number(words.start);
  if (start < min) {
    throw new DbError('22023', `START value (${start}) cannot be less than MINVALUE (${min})`);
  }
  if (start > max) {
    throw new DbError('22023', `START value (${start}) cannot be greater than MAXVALUE (${max})`);
  }
  const cache = words.cache === undefined ? (before?.cache ?? 1n) : number(words.cache);
  if (cache <= 0n) throw new DbError('22023', `CACHE (${cache}) must be greater than zero`);
  return {
    ...{ increment, min, max, start, cache, typeOid },
    cycle: words.cycle ?? before?.cycle ?? false,
    ownerTable: before?.ownerTable ?? 0,
    ownerColumn: before?.ownerColumn ?? 0,
  };
}

function demandWithin(name: string, first: bigint, { min, max }: SequenceOptions): void {
  if (first >= min && first <= max) return;
  const [word, bound] =
    first < min ? ['less', `MINVALUE (${min})`] : ['greater', `MAXVALUE (${max})`];
  const message = `RESTART value (${first}) cannot be ${word} than ${bound}`;
  throw new DbError('22023', message, { table: name });
}

function outOfRange(word: string, value: bigint, typeOid: number): DbError {
  const type = typeOid === INT2 ? 'smallint' : typeOid === INT4 ? 'integer' : 'bigint';
  const message = `${word} (${value}) is out of range for sequence data type ${type}`;
  return new DbError('22023', message);
}

/** The DEFAULT of a column that takes its numbers. */
function nextvalText({ schema, name }: Pick<TableDescriptor, 'schema' | 'name'>): string {
  const path = `${formatIdentifier(schema)}.${formatIdentifier(name)}`;
  return `nextval('${path.replaceAll("'", "''")}')`;
}

const SERIAL: ReadonlyMap<string, string> = new Map([
  ['smallserial', 'int2'],
  ['serial2', 'int2'],
  ['serial', 'int4'],
  ['serial4', 'int4'],
  ['bigserial', 'int8'],
  ['serial8', 'int8'],
]);

export interface NumberedColumn {
  readonly definition: ColumnDefinition;
  /** Of serial and identity columns: made already, and to be told whose it is. */
  readonly sequence: Sequence | undefined;
}

/** What `serial` and IDENTITY stand for; makes their sequences. */
export async function numbered(
  ctx: DdlContext,
  table: Pick<TableDescriptor, 'schema' | 'name'>,
  definition: ColumnDefinition,
): Promise<NumberedColumn> {
  const { type, identity, name } = definition;
  const serial = type.schema === undefined && !type.array ? SERIAL.get(type.name) : undefined;
  if (serial === undefined && identity === undefined) return { definition, sequence: undefined };
  if (serial !== undefined && (definition.default ?? definition.generated) !== undefined) {
    const message = `multiple default values specified for column "${name}" of table "${table.name}"`;
    throw new DbError('42601', message);
  }
  const plain = serial === undefined ? type : { ...type, schema: 'pg_catalog', name: serial };
  const { oid } = resolveTypeName(plain);
  if (!LIMITS.has(oid)) {
    throw new DbError('22023', 'identity column type must be smallint, integer, or bigint');
  }
  const options = optionsOf({ type: plain, ...identity?.options }, undefined);
  const isTaken = (one: string): boolean => isRelation(ctx, table.schema, one);
  const own = freeName(table.name, name, '_seq', isTaken);
  const sequence = await makeSequence(ctx, table.schema, own, options);
  const initial: Expression = parseExpressionText(nextvalText(sequence));
  return {
    definition: { ...definition, type: plain, notNull: true, default: initial },
    sequence,
  };
}

/** Tells the sequences whose they are; `table` is made. */
export async function giveSequences(
  ctx: DdlContext,
  table: TableDescriptor,
  columns: readonly NumberedColumn[],
): Promise<void> {
  for (const { definition, sequence } of columns) {
    if (sequence === undefined) continue;
    const column = table.columns.find((c) => c.name === definition.name) as ColumnDescriptor;
    const options = { ...sequence.sequence, ownerTable: table.id, ownerColumn: column.id };
    await ctx.catalog.replace(ctx.txn, { ...sequence, sequence: options });
  }
}
