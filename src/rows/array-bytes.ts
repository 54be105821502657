// Arrays as bytes: stored in rows, and PostgreSQL's binary wire format.
//
// Stored: varint element type; u8 number of dimensions; for each its length (varint) and lower bound (u32, two's
// complement); u8 whether there are NULLs; then the items, each of those of varying length with its length in front
// (varint), and, if there are NULLs, one byte before each item that says whether it is there.

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import { DIMENSIONS_MAX, itemCount, tooManyDimensions } from './array.ts';
import { ArrayValue, type Datum } from './datum.ts';
import { type ColumnType, columnType } from './types.ts';

type WriteItem = (writer: ByteWriter, item: Datum) => void;

export function writeArray(writer: ByteWriter, array: ArrayValue, writeItem: WriteItem): void {
  writer.varint(array.elementOid);
  writer.u8(array.dimensions);
  for (let i = 0; i < array.dimensions; i++) {
    writer.varint(array.lengths[i] as number);
    writer.u32((array.lowers[i] as number) >>> 0);
  }
  const nulls = array.items.includes(null);
  writer.u8(nulls ? 1 : 0);
  const part = new ByteWriter(64);
  for (const item of array.items) {
    if (nulls) writer.u8(item === null ? 0 : 1);
    if (item === null) continue;
    part.reset();
    writeItem(part, item);
    writer.varint(part.length);
    writer.raw(part.peek());
  }
}

export function readArray(
  bytes: Uint8Array,
  start: number,
  end: number,
  itemReader: (elementOid: number) => (bytes: Uint8Array, start: number, end: number) => Datum,
): ArrayValue {
  const reader = new ByteReader(bytes.subarray(start, end));
  const elementOid = reader.varint();
  const dimensions = reader.u8();
  const lengths: number[] = [];
  const lowers: number[] = [];
  for (let i = 0; i < dimensions; i++) {
    lengths.push(reader.varint());
    lowers.push(reader.u32() | 0);
  }
  const nulls = reader.u8() === 1;
  const read = itemReader(elementOid);
  const count = itemCount(lengths);
  const items: Datum[] = [];
  for (let i = 0; i < count; i++) {
    if (nulls && reader.u8() === 0) {
      items.push(null);
      continue;
    }
    const length = reader.varint();
    items.push(read(reader.bytes, reader.at, reader.at + length));
    reader.at += length;
  }
  return new ArrayValue(elementOid, lengths, lowers, items);
}

/** As array_send() writes it. */
export function formatArrayBinary(
  array: ArrayValue,
  modifier: number,
  writer: ByteWriter,
  writeItem: (type: ColumnType, item: Datum, writer: ByteWriter) => void,
): void {
  const type = columnType(array.elementOid, modifier);
  writer.u32be(array.dimensions);
  writer.u32be(array.items.includes(null) ? 1 : 0);
  writer.u32be(array.elementOid);
  for (let i = 0; i < array.dimensions; i++) {
    writer.u32be(array.lengths[i] as number);
    writer.u32be((array.lowers[i] as number) >>> 0);
  }
  for (const item of array.items) {
    if (item === null) {
      writer.u32be(0xffffffff);
      continue;
    }
    writer.u32be(0);
    const at = writer.length;
    writeItem(type, item, writer);
    writer.view.setUint32(at - 4, writer.length - at, false);
  }
}

/** As array_recv() reads it. Throws DbError 22P03, 42804, 54000. */
export function parseArrayBinary(
  elementOid: number,
  modifier: number,
  bytes: Uint8Array,
  readItem: (type: ColumnType, bytes: Uint8Array) => Datum,
): ArrayValue {
  const type = columnType(elementOid, modifier);
  const reader = new ByteReader(bytes);
  const need = (count: number): void => {
    if (reader.remaining < count) throw malformed('insufficient data left in message');
  };
  need(12);
  const dimensions = reader.u32be() | 0;
  if (dimensions < 0) throw malformed(`invalid number of dimensions: ${dimensions}`);
  if (dimensions > DIMENSIONS_MAX) throw tooManyDimensions(dimensions);
  if (reader.u32be() > 1) throw malformed('invalid array flags');
  const sent = reader.u32be();
  if (sent !== elementOid) {
    throw new DbError(
      '42804',
      `binary data has array element type ${sent} instead of expected ${elementOid}`,
    );
  }
  const lengths: number[] = [];
  const lowers: number[] = [];
  for (let i = 0; i < dimensions; i++) {
    need(8);
    lengths.push(reader.u32be());
    lowers.push(reader.u32be() | 0);
  }
  const count = itemCount(lengths);
  const items: Datum[] = [];
  for (let i = 0; i < count; i++) {
    need(4);
    const length = reader.u32be() | 0;
    if (length === -1) {
      items.push(null);
      continue;
    }
    if (length < 0 || length > reader.remaining)
      throw malformed('insufficient data left in message');
    items.push(readItem(type, reader.raw(length)));
  }
  if (reader.remaining > 0) throw malformed('incorrect binary data format');
  return count === 0
    ? ArrayValue.of(elementOid, [])
    : new ArrayValue(elementOid, lengths, lowers, items);
}

function malformed(message: string): DbError {
  return new DbError('22P03', message);
}
