// A scan of ranges that lie side by side in one store: every batch is held against the ranges that it has something of.

import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { MIN_TIMESTAMP } from '../../src/clock/timestamp.ts';
import { RangeScan } from '../../src/ranges/reads/range-scan.ts';
import type { ScanPart } from '../../src/ranges/reads/scan-grant.ts';
import type { ShardScan, ShardScanBatch } from '../../src/storage/shard.ts';

class CountedPart implements ScanPart {
  readonly span: ScanPart['span'];
  checks = 0;
  bytes = 0;
  readonly gate = { hasPassed: () => true, waitUntilPassed: () => Promise.resolve() };
  readonly load = {
    scanOpened: () => undefined,
    scanned: (bytes: number) => {
      this.bytes += bytes;
    },
  };

  constructor(start: string, end: string | undefined) {
    this.span = { start: utf8(start), end: end === undefined ? undefined : utf8(end) };
  }

  check(): void {
    this.checks++;
  }
}

/** Batches of 12 bytes with these last keys; the last one, without one, comes by itself. */
function batches(...lastKeys: readonly string[]): ShardScan {
  const left: ShardScanBatch[] = [...lastKeys, undefined].map((key) => ({
    rows: new Uint8Array(12),
    rowCount: 1,
    newest: MIN_TIMESTAMP,
    lastKey: key === undefined ? undefined : utf8(key),
  }));
  return { next: () => Promise.resolve(left.shift()), close: () => undefined };
}

function rangesAtoZ(): CountedPart[] {
  return [
    new CountedPart('a', 'd'),
    new CountedPart('d', 'k'),
    new CountedPart('k', 's'),
    new CountedPart('s', undefined),
  ];
}

async function after(parts: readonly CountedPart[], reverse: boolean, ...lastKeys: string[]) {
  const scan = new RangeScan(parts, reverse, batches(...lastKeys));
  for (let i = 0; i < lastKeys.length; i++) await scan.next();
  return {
    scan,
    checks: () => parts.map(({ checks }) => checks),
    bytes: () => parts.map(({ bytes }) => bytes),
  };
}

describe('a scan of neighbours', () => {
  it('holds a batch against the ranges from where it stood to where it has come', async () => {
    const { scan, checks, bytes } = await after(rangesAtoZ(), false, 'b', 'c', 'kk');
    expect(checks()).toEqual([3, 1, 1, 0]);
    expect(bytes()).toEqual([28, 4, 4, 0]);
    await scan.next();
    expect(checks()).toEqual([3, 1, 2, 1]);
    expect(bytes()).toEqual([28, 4, 10, 6]);
  });

  it('does so backwards', async () => {
    const { scan, checks, bytes } = await after(rangesAtoZ().reverse(), true, 'x', 's', 'e');
    expect(checks()).toEqual([3, 1, 1, 0]);
    expect(bytes()).toEqual([28, 4, 4, 0]);
    await scan.next();
    expect(checks()).toEqual([3, 1, 2, 1]);
  });

  it('takes the first key of a range for that range', async () => {
    const forwards = await after(rangesAtoZ(), false, 'd');
    expect(forwards.checks()).toEqual([1, 1, 0, 0]);
    const backwards = await after(rangesAtoZ().reverse(), true, 'k');
    expect(backwards.checks()).toEqual([1, 1, 0, 0]);
  });

  it('is at its end held against all that it has not been through', async () => {
    const { scan, checks } = await after(rangesAtoZ(), false, 'f');
    await scan.next();
    expect(await scan.next()).toBeUndefined();
    expect(checks()).toEqual([1, 2, 1, 2]);
  });
});
