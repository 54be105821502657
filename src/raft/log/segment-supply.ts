// Makes segments ahead of time, zero-filled and with their directory entry synced, so that rotation waits for nothing;
// and knows when the disk has no room for another.

import { type Files, FileError, type Timers } from '../../runtime/runtime.ts';
import { encodeSegmentHeader, Segment, segmentName } from './segment.ts';

/** How long after a full disk the next attempt is made. */
const RETRY_MICROS = 500_000;

export class SegmentSupply {
  private readonly files: Files;
  private readonly timers: Timers;
  private readonly directory: string;
  private readonly segmentBytes: number;
  private nextNumber: number;
  private prepared: Segment | undefined;
  private preparing: Promise<void> | undefined;
  /** A segment is being made larger. */
  private growing: Promise<void> | undefined;
  private retry: Disposable | undefined;
  private isClosed = false;
  private roomHandler: () => void = () => {};
  private failureHandler: (error: Error) => void = () => {};
  /** The last attempt to make a segment found no space. */
  isFull = false;

  constructor(
    runtime: { readonly files: Files; readonly timers: Timers },
    directory: string,
    segmentBytes: number,
    nextNumber: number,
    prepared: Segment | undefined,
  ) {
    this.files = runtime.files;
    this.timers = runtime.timers;
    this.directory = directory;
    this.segmentBytes = segmentBytes;
    this.prepared = prepared;
    this.nextNumber = prepared === undefined ? nextNumber : prepared.number + 1;
  }

  /** Called when there is room again after there was none. */
  onRoom(handler: () => void): void {
    this.roomHandler = handler;
  }

  onFailure(handler: (error: Error) => void): void {
    this.failureHandler = handler;
  }

  get preparedRoom(): number {
    return this.prepared?.room ?? 0;
  }

  /** In the background; one ahead. */
  prepareNext(): void {
    if (this.prepared !== undefined || this.preparing !== undefined || this.isClosed) return;
    this.preparing = this.make(this.segmentBytes).then(
      (segment) => {
        this.preparing = undefined;
        this.prepared = segment;
        this.foundRoom();
      },
      (error: unknown) => {
        this.preparing = undefined;
        this.failed(error as Error);
      },
    );
  }

  /** The next segment, with at least `bytes` in all. */
  async take(bytes: number): Promise<Segment> {
    if (this.preparing !== undefined) await this.preparing;
    let segment = this.prepared;
    if (segment === undefined) {
      segment = await this.make(Math.max(bytes, this.segmentBytes));
    } else {
      await this.grow(segment, bytes);
    }
    this.prepared = undefined;
    return segment;
  }

  /** As take(); undefined when the disk is full: onRoom() tells when to ask again. */
  async takeWhenRoom(bytes: number): Promise<Segment | undefined> {
    try {
      return await this.take(bytes);
    } catch (error) {
      if (!isFullDisk(error)) throw error;
      this.failed(error);
      return undefined;
    }
  }

  /** Makes the prepared segment at least this large; false when the disk is full. */
  async reserve(bytes: number): Promise<boolean> {
    if (this.preparing !== undefined) await this.preparing;
    if (this.isFull || this.prepared === undefined) return false;
    try {
      await this.grow(this.prepared, bytes);
      return true;
    } catch (error) {
      this.failed(error as Error);
      return false;
    }
  }

  async remove(segment: Segment): Promise<void> {
    await this.files.remove(segment.file.path);
    await this.files.syncDirectory(this.directory);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.retry?.[Symbol.dispose]();
    if (this.preparing !== undefined) await this.preparing;
    await this.prepared?.file.close();
    this.prepared = undefined;
  }

  private async make(bytes: number): Promise<Segment> {
    const number = this.nextNumber;
    const path = `${this.directory}/${segmentName(number)}`;
    const file = await this.files.open(path, { create: true });
    try {
      await file.preallocate(bytes);
      await file.writeSynced(0, encodeSegmentHeader(number));
    } catch (error) {
      // Gives back what little it got; recovery drops such a file, too.
      await file.close();
      await this.files.remove(path);
      throw error;
    }
    // P34: the directory is synced before any record relies on the file's name.
    await this.files.syncDirectory(this.directory);
    this.nextNumber = number + 1;
    return new Segment(number, file, bytes);
  }

  /** One at a time: two would zero the same stretch of the file, and the slower one what was written into it since. */
  private async grow(segment: Segment, bytes: number): Promise<void> {
    while (segment.capacity < bytes) {
      if (this.growing !== undefined) {
        await this.growing.catch(() => {});
        continue;
      }
      this.growing = segment.file.preallocate(bytes);
      try {
        await this.growing;
        segment.capacity = Math.max(segment.capacity, bytes);
      } finally {
        this.growing = undefined;
      }
    }
  }

  private failed(error: Error): void {
    if (!isFullDisk(error)) {
      this.failureHandler(error);
      return;
    }
    this.isFull = true;
    if (this.retry !== undefined || this.isClosed) return;
    this.retry = this.timers.after(RETRY_MICROS, () => {
      this.retry = undefined;
      // Whoever waits for a larger segment than this asks again, and may fail again.
      if (this.prepared !== undefined) this.foundRoom();
      else this.prepareNext();
    });
  }

  private foundRoom(): void {
    if (!this.isFull) return;
    this.isFull = false;
    this.roomHandler();
  }
}

function isFullDisk(error: unknown): error is FileError {
  return error instanceof FileError && error.kind === 'full';
}
