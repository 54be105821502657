// Writes the server's messages into one growing buffer for each connection. Rows go from packed storage to the wire
// without datums in between (`stored`); nothing here blocks: `full` asks the producer to wait for drained().

import { ByteWriter } from '../../base/bytes.ts';
import type { DbError } from '../../base/errors.ts';
import { formatBinary, formatTextInto } from '../../rows/binary-format.ts';
import type { Datum } from '../../rows/datum.ts';
import type { RowView } from '../../rows/row-codec.ts';
import { storedTexts, storedToBinary, storedToText } from '../../rows/stored-format.ts';
import { typeLength } from '../../rows/types.ts';
import type { ResultField, ResultSink, TransactionStatus } from '../../sql/api.ts';

/** Handed to the socket once this much has gathered within one statement. */
const FLUSH_BYTES = 64 * 1024;
const BUFFER_BYTES = 8 * 1024;

export interface OutputTarget {
  /** Answers whether it is done with the bytes; if not, it has taken them over. */
  write(bytes: Uint8Array): boolean;
  /** The client reads slower than we write. */
  readonly congested: boolean;
  drained(): Promise<void>;
}

const NO_FIELDS: readonly ResultField[] = [];
const ALL_TEXT: readonly number[] = [];

export class WireOutput implements ResultSink {
  #out = new ByteWriter(BUFFER_BYTES);
  readonly #target: OutputTarget;
  #fields: readonly ResultField[] = NO_FIELDS;
  #formats: readonly number[] = ALL_TEXT;
  /** Where the message that is being written began; -1 between messages. */
  #open = -1;
  /** Of the buffer, as long as what left last: most answers are as long as the one before. */
  #leaving: Buffer = Buffer.alloc(0);
  #leavingFrom: Uint8Array | undefined;

  constructor(target: OutputTarget) {
    this.#target = target;
  }

  /** Before an Execute: what its rows look like. */
  shape(fields: readonly ResultField[] | undefined, formats: readonly number[]): void {
    this.#fields = fields ?? NO_FIELDS;
    this.#formats = formats;
  }

  flush(): void {
    const out = this.#out;
    if (out.length === 0) return;
    const { bytes, length } = out;
    if (this.#leaving.length !== length || this.#leavingFrom !== bytes) {
      this.#leaving = Buffer.from(bytes.buffer, 0, length);
      this.#leavingFrom = bytes;
    }
    // A socket mostly takes all of it at once: then the buffer is used again (bench: point).
    if (this.#target.write(this.#leaving)) out.reset();
    else this.#out = new ByteWriter(bytes.length);
  }

  // Results

  fields(fields: readonly ResultField[]): void {
    this.shape(fields, ALL_TEXT);
    this.rowDescription(fields, ALL_TEXT);
  }

  tuple(values: readonly Datum[]): void {
    const out = this.#out;
    const fields = this.#fields;
    const start = this.#beginRow(fields.length);
    for (let i = 0; i < fields.length; i++) {
      const datum = values[i] as Datum;
      const at = this.#beginValue();
      if (datum === null) {
        out.view.setInt32(at, -1);
        continue;
      }
      const type = (fields[i] as ResultField).type;
      if (this.#format(i) === 1) formatBinary(type, datum, out);
      else formatTextInto(type, datum, out);
      out.view.setInt32(at, out.length - at - 4);
    }
    this.#end(start);
  }

  stored(row: RowView, positions: readonly number[]): void {
    const out = this.#out;
    const start = this.#beginRow(positions.length);
    if (this.#formats.length === 0) storedTexts(row, positions, out);
    else this.#storedInFormats(row, positions);
    this.#end(start);
  }

  #storedInFormats(row: RowView, positions: readonly number[]): void {
    const out = this.#out;
    for (let i = 0; i < positions.length; i++) {
      const position = positions[i] as number;
      const at = this.#beginValue();
      if (row.isNull(position)) {
        out.view.setInt32(at, -1);
        continue;
      }
      const type = (this.#fields[i] as ResultField).type;
      if (this.#format(i) === 1) storedToBinary(type, row, position, out);
      else storedToText(type, row, position, out);
      out.view.setInt32(at, out.length - at - 4);
    }
  }

  complete(tag: string): void {
    const start = this.#begin(0x43);
    this.#ascii(tag);
    this.#end(start);
  }

  emptyQuery(): void {
    this.#bare(0x49);
  }

  suspended(): void {
    this.#bare(0x73);
  }

  notice(severity: 'NOTICE' | 'WARNING' | 'INFO', code: string, message: string): void {
    const start = this.#begin(0x4e);
    this.#field('S', severity);
    this.#field('V', severity);
    this.#field('C', code);
    this.#field('M', message);
    this.#out.u8(0);
    this.#end(start);
  }

  parameterStatus(name: string, value: string): void {
    const start = this.#begin(0x53);
    this.#text(name);
    this.#text(value);
    this.#end(start);
  }

  error(error: DbError): void {
    this.errorResponse('ERROR', error);
  }

  copyOut(columnCount: number): void {
    this.#copyResponse(0x48, columnCount);
  }

  copyData(chunk: Uint8Array): void {
    const start = this.#begin(0x64);
    this.#out.raw(chunk);
    this.#end(start);
  }

  copyOutDone(): void {
    this.#bare(0x63);
  }

  get full(): boolean {
    if (this.#out.length < FLUSH_BYTES) return false;
    this.flush();
    return this.#target.congested;
  }

  drained(): Promise<void> {
    return this.#target.drained();
  }

  // The rest of the protocol

  errorResponse(severity: 'ERROR' | 'FATAL', error: DbError): void {
    // A value that could not be formatted leaves half a row behind: it is taken back.
    if (this.#open >= 0) this.#out.length = this.#open;
    const start = this.#begin(0x45);
    const { detail, hint, context, position, table, column, constraint } = error.fields;
    this.#field('S', severity);
    this.#field('V', severity);
    this.#field('C', error.code);
    this.#field('M', error.message);
    if (detail !== undefined) this.#field('D', detail);
    if (hint !== undefined) this.#field('H', hint);
    if (position !== undefined) this.#field('P', String(position));
    if (context !== undefined) this.#field('W', context);
    if (table !== undefined) this.#field('t', table);
    if (column !== undefined) this.#field('c', column);
    if (constraint !== undefined) this.#field('n', constraint);
    this.#out.u8(0);
    this.#end(start);
  }

  authenticationOk(): void {
    const start = this.#begin(0x52);
    this.#out.u32be(0);
    this.#end(start);
  }

  backendKey(processId: number, secret: number): void {
    const start = this.#begin(0x4b);
    this.#out.u32be(processId);
    this.#out.u32be(secret);
    this.#end(start);
  }

  /** We speak 3.0; `unknown` are start-up options of the protocol itself that we don't know. */
  negotiateVersion(unknown: readonly string[]): void {
    const start = this.#begin(0x76);
    this.#out.u32be(0);
    this.#out.u32be(unknown.length);
    for (const name of unknown) this.#text(name);
    this.#end(start);
  }

  readyForQuery(status: TransactionStatus): void {
    const out = this.#out;
    out.reserve(6);
    const bytes = out.bytes;
    const at = out.length;
    bytes[at] = 0x5a;
    bytes[at + 1] = 0;
    bytes[at + 2] = 0;
    bytes[at + 3] = 0;
    bytes[at + 4] = 5;
    bytes[at + 5] = status.charCodeAt(0);
    out.length = at + 6;
  }

  parseComplete(): void {
    this.#bare(0x31);
  }

  bindComplete(): void {
    this.#bare(0x32);
  }

  closeComplete(): void {
    this.#bare(0x33);
  }

  noData(): void {
    this.#bare(0x6e);
  }

  parameterDescription(types: readonly number[]): void {
    const start = this.#begin(0x74);
    this.#i16(types.length);
    for (const type of types) this.#out.u32be(type);
    this.#end(start);
  }

  rowDescription(fields: readonly ResultField[], formats: readonly number[]): void {
    const out = this.#out;
    const start = this.#begin(0x54);
    this.#i16(fields.length);
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as ResultField;
      this.#text(field.name);
      out.u32be(field.tableId);
      this.#i16(field.columnNumber);
      out.u32be(field.type.oid);
      this.#i16(typeLength(field.type.oid) & 0xffff);
      out.u32be(field.type.modifier >>> 0);
      this.#i16(
        formats.length === 0
          ? 0
          : formats.length === 1
            ? (formats[0] as number)
            : (formats[i] ?? 0),
      );
    }
    this.#end(start);
  }

  copyIn(columnCount: number): void {
    this.#copyResponse(0x47, columnCount);
  }

  #copyResponse(type: number, columnCount: number): void {
    const start = this.#begin(type);
    this.#out.u8(0);
    this.#i16(columnCount);
    for (let i = 0; i < columnCount; i++) this.#i16(0);
    this.#end(start);
  }

  #format(i: number): number {
    const formats = this.#formats;
    return formats.length === 0
      ? 0
      : formats.length === 1
        ? (formats[0] as number)
        : (formats[i] ?? 0);
  }

  /** Type and room for the length; answers where the length goes. */
  #begin(type: number): number {
    const out = this.#out;
    out.reserve(5);
    this.#open = out.length;
    out.bytes[out.length] = type;
    out.length += 5;
    return out.length - 4;
  }

  #end(start: number): void {
    this.#open = -1;
    this.#out.view.setUint32(start, this.#out.length - start);
  }

  #beginRow(columns: number): number {
    const out = this.#out;
    out.reserve(7);
    this.#open = out.length;
    out.bytes[out.length] = 0x44;
    out.view.setUint16(out.length + 5, columns);
    out.length += 7;
    return out.length - 6;
  }

  #beginValue(): number {
    const out = this.#out;
    out.reserve(4);
    out.length += 4;
    return out.length - 4;
  }

  #bare(type: number): void {
    const out = this.#out;
    out.reserve(5);
    out.bytes[out.length] = type;
    out.view.setUint32(out.length + 1, 4);
    out.length += 5;
  }

  #field(code: string, value: string): void {
    this.#out.u8(code.charCodeAt(0));
    this.#text(value);
  }

  #text(value: string): void {
    const out = this.#out;
    out.reserve(value.length * 3 + 1);
    const { written } = encoder.encodeInto(value, out.bytes.subarray(out.length));
    out.length += written;
    out.bytes[out.length++] = 0;
  }

  #ascii(value: string): void {
    const out = this.#out;
    out.reserve(value.length + 1);
    for (let i = 0; i < value.length; i++) out.bytes[out.length++] = value.charCodeAt(i);
    out.bytes[out.length++] = 0;
  }

  #i16(value: number): void {
    const out = this.#out;
    out.reserve(2);
    out.view.setUint16(out.length, value);
    out.length += 2;
  }
}

const encoder = new TextEncoder();
