// What the schema's home and the nodes that serve SQL (gateways) say to each other. Each direction keeps its order.

import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import type { Timestamp } from '../../clock/timestamp.ts';

/** What a committed transaction made of a table; undefined: dropped. */
export interface TableChange {
  readonly table: number;
  readonly descriptor: Uint8Array | undefined;
}

/** One DDL has the table, or waits until it has it alone. `request`: the gateway's own number for it when it asked, else
 * 0. */
export interface TableMark {
  readonly mark: number;
  readonly table: number;
  readonly request: number;
}

/** `unknown`: the commit's answer was lost. */
export type SchemaOutcome = 'committed' | 'abandoned' | 'unknown';

export type ToHome =
  /** The readings are the gateway's, taken before it was sent; they come back with the answer. */
  | {
      readonly kind: 'renew';
      readonly monotonicMicros: number;
      readonly earliest: Timestamp;
    }
  /** All that was committed before the welcome is known here. */
  | { readonly kind: 'loaded' }
  | { readonly kind: 'exclusive'; readonly request: number; readonly table: number }
  /** The same of a table that nobody knows yet: there is nobody to wait for. */
  | { readonly kind: 'claim'; readonly request: number; readonly table: number }
  /** So many sessions go on using a marked table; drained follows. */
  | { readonly kind: 'using'; readonly mark: number; readonly sessions: number }
  | { readonly kind: 'drained'; readonly mark: number }
  /** A transaction with these requests is over. */
  | {
      readonly kind: 'over';
      readonly number: number;
      readonly requests: readonly number[];
      readonly outcome: SchemaOutcome;
      readonly changes: readonly TableChange[];
    }
  | { readonly kind: 'adopted'; readonly change: number };

export type ToGateway =
  | {
      readonly kind: 'welcome';
      /** Differs between any two homes, also on one node. */
      readonly home: number;
      readonly stint: number;
      readonly marks: readonly TableMark[];
    }
  | {
      readonly kind: 'granted';
      readonly monotonicMicros: number;
      readonly earliest: Timestamp;
    }
  | ({ readonly kind: 'mark' } & TableMark)
  | { readonly kind: 'exclusive'; readonly request: number }
  | {
      readonly kind: 'refused';
      readonly request: number;
      /** How many sessions did not leave the table; undefined: another DDL has it. */
      readonly sessions: number | undefined;
    }
  /** The marks are lifted once the changes are in place. `change` 0: no answer is wanted. */
  | {
      readonly kind: 'change';
      readonly change: number;
      readonly marks: readonly number[];
      readonly changes: readonly TableChange[];
    }
  /** Every gateway knows what the transaction changed, or has lost its lease. */
  | { readonly kind: 'settled'; readonly number: number };

const VERSION = 1;
const HELLO = 0;
const HOME_KINDS: readonly ToHome['kind'][] = [
  'renew',
  'loaded',
  'exclusive',
  'claim',
  'using',
  'drained',
  'over',
  'adopted',
];
const GATEWAY_KINDS: readonly ToGateway['kind'][] = [
  'welcome',
  'granted',
  'mark',
  'exclusive',
  'refused',
  'change',
  'settled',
];
const OUTCOMES: readonly SchemaOutcome[] = ['committed', 'abandoned', 'unknown'];

/** What a gateway says first. `incarnation`: of its process, never 0. */
export function encodeHello(incarnation: number): Uint8Array {
  const out = new ByteWriter(16);
  out.u8(HELLO);
  out.u8(VERSION);
  out.u53(incarnation);
  return out.take();
}

export function decodeHello(bytes: Uint8Array): number {
  const input = new ByteReader(bytes);
  if (input.u8() !== HELLO) throw damaged();
  const version = input.u8();
  if (version !== VERSION) {
    throw new DbError(
      '0A000',
      `schema leases have protocol version ${version} there, this program knows version ${VERSION}`,
      { hint: 'Run the same version of Meridian on all nodes.' },
    );
  }
  return input.u53();
}

export function encodeToHome(message: ToHome): Uint8Array {
  const out = new ByteWriter(64);
  out.u8(1 + HOME_KINDS.indexOf(message.kind));
  switch (message.kind) {
    case 'renew':
      out.f64(message.monotonicMicros);
      out.u53(message.earliest);
      break;
    case 'loaded':
      break;
    case 'exclusive':
    case 'claim':
      out.u53(message.request);
      out.u32(message.table);
      break;
    case 'using':
      out.u53(message.mark);
      out.u32(message.sessions);
      break;
    case 'drained':
      out.u53(message.mark);
      break;
    case 'over':
      out.u53(message.number);
      writeNumbers(out, message.requests);
      out.u8(OUTCOMES.indexOf(message.outcome));
      writeChanges(out, message.changes);
      break;
    case 'adopted':
      out.u53(message.change);
      break;
  }
  return out.take();
}

export function decodeToHome(bytes: Uint8Array): ToHome {
  const input = new ByteReader(bytes);
  const kind = HOME_KINDS[input.u8() - 1];
  switch (kind) {
    case 'renew':
      return { kind, monotonicMicros: input.f64(), earliest: input.u53() as Timestamp };
    case 'loaded':
      return { kind };
    case 'exclusive':
    case 'claim':
      return { kind, request: input.u53(), table: input.u32() };
    case 'using':
      return { kind, mark: input.u53(), sessions: input.u32() };
    case 'drained':
      return { kind, mark: input.u53() };
    case 'over': {
      const number = input.u53();
      const requests = readNumbers(input);
      const outcome = OUTCOMES[input.u8()];
      if (outcome === undefined) throw damaged();
      return { kind, number, requests, outcome, changes: readChanges(input) };
    }
    case 'adopted':
      return { kind, change: input.u53() };
    default:
      throw damaged();
  }
}

export function encodeToGateway(message: ToGateway): Uint8Array {
  const out = new ByteWriter(64);
  out.u8(1 + GATEWAY_KINDS.indexOf(message.kind));
  switch (message.kind) {
    case 'welcome':
      out.u53(message.home);
      out.u53(message.stint);
      out.u32(message.marks.length);
      for (const mark of message.marks) writeMark(out, mark);
      break;
    case 'granted':
      out.f64(message.monotonicMicros);
      out.u53(message.earliest);
      break;
    case 'mark':
      writeMark(out, message);
      break;
    case 'exclusive':
      out.u53(message.request);
      break;
    case 'refused':
      out.u53(message.request);
      out.u32(message.sessions === undefined ? 0 : message.sessions + 1);
      break;
    case 'change':
      out.u53(message.change);
      writeNumbers(out, message.marks);
      writeChanges(out, message.changes);
      break;
    case 'settled':
      out.u53(message.number);
      break;
  }
  return out.take();
}

export function decodeToGateway(bytes: Uint8Array): ToGateway {
  const input = new ByteReader(bytes);
  const kind = GATEWAY_KINDS[input.u8() - 1];
  switch (kind) {
    case 'welcome': {
      const home = input.u53();
      const stint = input.u53();
      const marks: TableMark[] = [];
      for (let left = input.u32(); left > 0; left--) marks.push(readMark(input));
      return { kind, home, stint, marks };
    }
    case 'granted':
      return { kind, monotonicMicros: input.f64(), earliest: input.u53() as Timestamp };
    case 'mark':
      return { kind, ...readMark(input) };
    case 'exclusive':
      return { kind, request: input.u53() };
    case 'refused': {
      const request = input.u53();
      const sessions = input.u32();
      return { kind, request, sessions: sessions === 0 ? undefined : sessions - 1 };
    }
    case 'change': {
      const change = input.u53();
      const marks = readNumbers(input);
      return { kind, change, marks, changes: readChanges(input) };
    }
    case 'settled':
      return { kind, number: input.u53() };
    default:
      throw damaged();
  }
}

function writeMark(out: ByteWriter, { mark, table, request }: TableMark): void {
  out.u53(mark);
  out.u32(table);
  out.u53(request);
}

function readMark(input: ByteReader): TableMark {
  return { mark: input.u53(), table: input.u32(), request: input.u53() };
}

function writeNumbers(out: ByteWriter, numbers: readonly number[]): void {
  out.u32(numbers.length);
  for (const number of numbers) out.u53(number);
}

function readNumbers(input: ByteReader): number[] {
  const numbers: number[] = [];
  for (let left = input.u32(); left > 0; left--) numbers.push(input.u53());
  return numbers;
}

function writeChanges(out: ByteWriter, changes: readonly TableChange[]): void {
  out.u32(changes.length);
  for (const { table, descriptor } of changes) {
    out.u32(table);
    out.u8(descriptor === undefined ? 0 : 1);
    if (descriptor !== undefined) out.block(descriptor);
  }
}

function readChanges(input: ByteReader): TableChange[] {
  const changes: TableChange[] = [];
  for (let left = input.u32(); left > 0; left--) {
    const table = input.u32();
    const descriptor = input.u8() === 0 ? undefined : input.block().slice();
    changes.push({ table, descriptor });
  }
  return changes;
}

function damaged(): DbError {
  return new DbError('XX001', 'a message about the schema was damaged on its way');
}
