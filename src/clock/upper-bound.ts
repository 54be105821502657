// P8: an upper bound on the timestamps that this node may issue or serve, on disk before they are. After a restart the
// node serves only once true time has passed it, so that it never goes back, whatever its clock did in between.
//
// Two slots, written in turn in place: a torn write spoils one, whose bound nobody relied on yet, and leaves the other.
//   slot: [u16 format version][u16 zero][u53 sequence][u53 bound][u32 CRC-32C of what is before]

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { DbError } from '../base/errors.ts';
import { FileError, type Files, type OpenFile } from '../runtime/runtime.ts';
import { laterOf, MIN_TIMESTAMP, timestamp, type Timestamp } from './timestamp.ts';

const FILE_NAME = 'clock-bound';
const FORMAT_VERSION = 1;
/** Each slot in a sector (and page) of its own. */
const SLOT_BYTES = 4096;
const RECORD_BYTES = 24;

export type BoundFiles = Pick<Files, 'open' | 'syncDirectory'>;

interface Slot {
  readonly sequence: number;
  readonly bound: Timestamp;
}

export class UpperBound {
  readonly #file: OpenFile;
  readonly #writer = new ByteWriter(SLOT_BYTES);
  #sequence: number;
  #durable: Timestamp;
  /** What the next write will hold. */
  #wanted: Timestamp;
  #writing: Promise<void> | undefined;
  #failure: FileError | undefined;

  private constructor(file: OpenFile, newest: Slot) {
    this.#file = file;
    this.#sequence = newest.sequence;
    this.#durable = newest.bound;
    this.#wanted = newest.bound;
  }

  static async open(files: BoundFiles, directory: string): Promise<UpperBound> {
    const path = `${directory}/${FILE_NAME}`;
    const file = await files.open(path, { create: true });
    try {
      const bytes = await file.read(0, 2 * SLOT_BYTES);
      const newest = newestSlot(path, bytes);
      const bound = new UpperBound(file, newest ?? { sequence: 0, bound: MIN_TIMESTAMP });
      if (newest === undefined) {
        await file.preallocate(2 * SLOT_BYTES);
        await files.syncDirectory(directory);
        // So that a later slot is never the only one: see newestSlot().
        await bound.#write(MIN_TIMESTAMP);
      }
      return bound;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Whatever is at or below it may be issued and served. */
  get durable(): Timestamp {
    return this.#durable;
  }

  /** False once a write has failed in a way that leaves the file in doubt. */
  get mayRecover(): boolean {
    return this.#failure === undefined;
  }

  /** Resolves when `t` is covered. One write at a time; what is asked for meanwhile goes into the next. */
  async extendTo(t: Timestamp): Promise<void> {
    this.#wanted = laterOf(this.#wanted, t);
    while (this.#durable < t) {
      this.#writing ??= this.#write(this.#wanted).finally(() => {
        this.#writing = undefined;
      });
      await this.#writing;
    }
  }

  async #write(bound: Timestamp): Promise<void> {
    // A sync that failed may have lost what it was for, and says so only once (P35). A full disk took nothing.
    if (this.#failure !== undefined) throw this.#failure;
    const sequence = this.#sequence + 1;
    const writer = this.#writer;
    writer.reset();
    writer.u16(FORMAT_VERSION);
    writer.u16(0);
    writer.u53(sequence);
    writer.u53(bound);
    writer.u32(crc32c(writer.bytes, 0, writer.length));
    try {
      await this.#file.writeSynced((sequence % 2) * SLOT_BYTES, writer.peek());
    } catch (error) {
      if (error instanceof FileError && error.kind !== 'full') this.#failure = error;
      throw error;
    }
    this.#sequence = sequence;
    this.#durable = bound;
  }

  /** A clean stop: exactly what was used, so that the next start need not wait for the reserve to pass. */
  async close(used: Timestamp): Promise<void> {
    await this.#writing?.catch(() => {});
    try {
      if (this.#failure === undefined) await this.#write(used);
    } finally {
      await this.#file.close();
    }
  }
}

/** Undefined in a new file. */
function newestSlot(path: string, bytes: Uint8Array): Slot | undefined {
  const parts = [bytes.subarray(0, SLOT_BYTES), bytes.subarray(SLOT_BYTES)];
  let newest: Slot | undefined;
  for (const part of parts) {
    const slot = readSlot(path, part);
    if (slot !== undefined && slot.sequence > (newest?.sequence ?? 0)) newest = slot;
  }
  // While one was never written, the other can only be the first write, which says nothing: it may be torn.
  if (newest !== undefined || parts.some((part) => part.every((byte) => byte === 0))) return newest;
  throw new DbError('XX001', `${path} is corrupt: both of its records fail their checksum`, {
    hint: 'Without it the node can not know which timestamps it has used. Restore it from a backup.',
  });
}

/** Undefined when it was never written, or torn. */
function readSlot(path: string, bytes: Uint8Array): Slot | undefined {
  if (bytes.length < RECORD_BYTES) return undefined;
  const reader = new ByteReader(bytes);
  reader.at = RECORD_BYTES - 4;
  if (reader.u32() !== crc32c(bytes, 0, RECORD_BYTES - 4)) return undefined;
  reader.at = 0;
  const version = reader.u16();
  if (version > FORMAT_VERSION) {
    throw new DbError('0A000', `${path} has format version ${version}, newer than this program's`, {
      detail: `This program reads versions up to ${FORMAT_VERSION}.`,
    });
  }
  reader.u16();
  return { sequence: reader.u53(), bound: timestamp(reader.u53()) };
}
