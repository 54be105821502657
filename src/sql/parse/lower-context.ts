// What every part of the lowering shares: where things are, what can't be lowered, and which literals the fingerprint
// took out.

import type { Node, SelectStmt, WindowDef } from 'libpg-query';
import { DbError, unsupported } from '../../base/errors.ts';
import type { CommonTable, Expression, SelectStatement, WindowDefinition } from './ast.ts';
import type { Fingerprint } from './fingerprint.ts';
import { isSpace } from './lexer.ts';
import type { ByteOffsets } from './position.ts';
import { positionOf } from './position.ts';

/** Queries stand in expressions and statements in queries, whose lowering knows of each other only through this. */
export interface QueryLowering {
  select(ctx: Lowering, node: SelectStmt): SelectStatement;
  commonTable(ctx: Lowering, node: Node): CommonTable['query'];
  window(ctx: Lowering, node: WindowDef): WindowDefinition;
}

export class Lowering {
  readonly queries: QueryLowering;
  readonly text: string;
  /** Where the statement begins, for what the grammar gives no place. */
  readonly statementAt: number;
  readonly #offsets: ByteOffsets;
  readonly #parameterCount: number;
  /** Index of each literal taken out, by where it begins; those that became parameters are removed. */
  readonly #taken = new Map<number, number>();

  constructor(
    text: string,
    offsets: ByteOffsets,
    statementAt: number,
    literals: Fingerprint | undefined,
    queries: QueryLowering,
  ) {
    this.queries = queries;
    this.text = text;
    this.statementAt = statementAt;
    this.#offsets = offsets;
    this.#parameterCount = literals?.parameterCount ?? 0;
    for (let k = 0; literals !== undefined && k < literals.count; k++) {
      this.#taken.set(literals.start(k), k);
    }
  }

  /** Every literal that the fingerprint took out has become a parameter. */
  get allTaken(): boolean {
    return this.#taken.size === 0;
  }

  /** UTF-16 offset of a node's location: absent is 0, as protobuf leaves zeros out, and -1 is unknown. */
  at(location: number | undefined): number {
    return location === undefined || location < 0 ? (location ?? 0) : this.#offsets.utf16(location);
  }

  /** 0A000 at a node's location, or at the statement where there is none. */
  unsupported(what: string, location: number | undefined = -1): DbError {
    return this.unsupportedAt(what, this.at(location));
  }

  unsupportedAt(what: string, at: number): DbError {
    return unsupported(what, positionOf(this.text, at < 0 ? this.statementAt : at));
  }

  fail(code: string, message: string, location: number | undefined = -1): DbError {
    return this.failAt(code, message, this.at(location));
  }

  failAt(code: string, message: string, at: number): DbError {
    const position = positionOf(this.text, at);
    return new DbError(code, message, position === undefined ? {} : { position });
  }

  /** The parameter that stands for the literal at `at`, if the fingerprint took it out. */
  parameterAt(at: number): Expression | undefined {
    if (this.#taken.size === 0) return undefined;
    const direct = this.#take(at);
    if (direct !== undefined || this.text.charCodeAt(at) !== 45) return direct;
    // The grammar makes one constant of a minus and a number, where the fingerprint may have taken the number alone.
    let digits = at + 1;
    while (isSpace(this.text.charCodeAt(digits))) digits++;
    const arg = this.#take(digits);
    return arg === undefined ? undefined : { kind: 'unary', op: '-', arg, at };
  }

  #take(at: number): Expression | undefined {
    const k = this.#taken.get(at);
    if (k === undefined) return undefined;
    this.#taken.delete(at);
    return { kind: 'parameter', index: this.#parameterCount + k, at };
  }
}

/** The grammar gave something that it never should. Its texts come from users: that fails the statement, not the node. */
export function expectNode(condition: boolean, message: string): asserts condition {
  if (!condition) throw new DbError('XX000', `unexpected syntax tree: ${message}`);
}

/** The one key of a parser node: 'A_Const', 'SelectStmt', … */
export function tagOf(node: Node): string {
  return Object.keys(node)[0] ?? 'empty node';
}

/** A node's location, for errors; that of the first part that has one where it has none. */
export function locationOf(node: Node): number {
  const inner: unknown = Object.values(node)[0];
  return firstLocation(inner) ?? -1;
}

function firstLocation(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if ('location' in value && typeof value.location === 'number' && value.location >= 0) {
    return value.location;
  }
  for (const part of Object.values(value)) {
    const location = firstLocation(part);
    if (location !== undefined) return location;
  }
  return undefined;
}

/** A list of names: schema.table, a type's, a function's, an operator's. */
export function namesOf(nodes: readonly Node[] | undefined): string[] {
  return (nodes ?? []).map((node) => ('String' in node ? (node.String.sval ?? '') : ''));
}
