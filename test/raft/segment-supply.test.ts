// Segments made larger for large records, by several at once.
import { describe, expect, it } from 'vitest';
import { SegmentSupply } from '../../src/raft/log/segment-supply.ts';
import { Segment } from '../../src/raft/log/segment.ts';
import type { Files, OpenFile, Timers } from '../../src/runtime/runtime.ts';

/** Zeros what lies beyond its size, as found when it was asked: as a real file does, and as slowly as the test says. */
class SlowFile {
  readonly path = 'raft/raft-0000000002.log';
  bytes = new Uint8Array(1024);
  readonly filling: (() => void)[] = [];

  preallocate(size: number): Promise<void> {
    const from = this.bytes.length;
    return new Promise((resolve) => {
      this.filling.push(() => {
        const grown = new Uint8Array(Math.max(size, this.bytes.length));
        grown.set(this.bytes);
        grown.fill(0, from, size);
        this.bytes = grown;
        resolve();
      });
    });
  }

  write(offset: number, part: Uint8Array): void {
    this.bytes.set(part, offset);
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a segment that is made larger by several at once', () => {
  it.each([
    ['taken for a record', (supply: SegmentSupply) => supply.take(4000)],
    [
      'reserved for another, then taken',
      async (supply: SegmentSupply) => {
        await supply.reserve(4000);
        return supply.take(4000);
      },
    ],
  ])('%s: keeps the record', async (_how, take) => {
    const file = new SlowFile();
    const prepared = new Segment(2, file as unknown as OpenFile, file.bytes.length);
    const supply = new SegmentSupply(
      { files: {} as Files, timers: {} as Timers },
      'raft',
      1024,
      2,
      prepared,
    );
    const record = new Uint8Array(3900).fill(7);
    const larger = supply.reserve(8000);
    const written = take(supply).then((segment) => {
      expect(segment.capacity).toBeGreaterThanOrEqual(4000);
      file.write(64, record);
    });
    // The one that began last is through first.
    await settle();
    while (file.filling.length > 0) {
      file.filling.pop()?.();
      await settle();
    }
    await written;
    expect(await larger).toBe(true);
    expect(file.bytes.subarray(64, 64 + record.length)).toEqual(record);
  });
});
