// Rows that are not in the row cache, from the shard (which gathers what is asked in one turn into one message and one
// batch of look-ups). What is found fills the cache, under P14.

import { hashBytes } from '../../base/bytes.ts';
import { MAX_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import type { ReadToken, RowCache } from '../../storage/row-cache.ts';
import type { Shard, ShardScan, Version } from '../../storage/shard.ts';
import type { ApplyPump } from '../apply-pump.ts';
import type { RangeLoad } from '../load/range-load.ts';
import { notServing } from './range-scan.ts';

type Versions = readonly (Version | undefined)[];

export class RowLoader {
  private readonly shard: Shard;
  private readonly cache: RowCache;
  private readonly pump: ApplyPump;
  private readonly counts: RangeLoad;
  private readonly flushAll: (() => void) | undefined;
  /** Since the start. */
  rowsLoaded = 0;

  constructor(
    shard: Shard,
    cache: RowCache,
    pump: ApplyPump,
    load: RangeLoad,
    flushAll: (() => void) | undefined,
  ) {
    this.shard = shard;
    this.counts = load;
    this.cache = cache;
    this.pump = pump;
    this.flushAll = flushAll;
  }

  /** The newest version at or below `at` of each key. All writes at or below `at` must be committed or refused. */
  load(keys: readonly Uint8Array[], at: Timestamp): Promise<Versions> {
    const hashes = new Array<number>(keys.length);
    const tokens = new Array<ReadToken>(keys.length);
    for (let i = 0; i < keys.length; i++) {
      const hash = hashBytes(keys[i] as Uint8Array);
      hashes[i] = hash;
      tokens[i] = this.cache.readToken(hash);
    }
    this.rowsLoaded += keys.length;
    this.counts.loaded(keys.length);
    this.pump.flush();
    this.learn(keys[0] as Uint8Array);
    const { epoch } = this.pump;
    return this.shard.get(keys, at).then((versions) => {
      demandState(this.pump, epoch);
      this.fill(keys, hashes, tokens, versions);
      return versions;
    });
  }

  /** The first row of an index that is looked for here: if the index is empty, new keys will be known as such. */
  private learn(key: Uint8Array): void {
    const { written } = this.cache;
    const span = written.ask(key);
    if (span === undefined) return;
    // An index may lie in several ranges.
    this.flushAll?.();
    const scan = this.shard.scan({
      span,
      at: MAX_TIMESTAMP,
      reverse: false,
      program: undefined,
      parameters: undefined,
      limitRows: 1,
      batchBytes: 1,
    });
    wasNeverWritten(scan).then(
      (isEmpty) => written.answer(span, isEmpty),
      () => written.answer(span, false),
    );
  }

  /** P14: the cache refuses what a write, a drop or a change of leadership has overtaken since the tokens. */
  private fill(
    keys: readonly Uint8Array[],
    hashes: readonly number[],
    tokens: readonly ReadToken[],
    versions: Versions,
  ): void {
    for (let i = 0; i < versions.length; i++) {
      const version = versions[i];
      if (version === undefined) continue;
      const key = keys[i] as Uint8Array;
      this.cache.fill(key, hashes[i] as number, version, tokens[i] as ReadToken);
    }
  }
}

/** After a read: it is worth nothing when a snapshot has taken the place of what was read. */
export function demandState(pump: ApplyPump, epoch: number): void {
  if (pump.epoch !== epoch) throw notServing('its state was replaced by a snapshot');
}

/** Tombstones count: `newest` tells of them. */
async function wasNeverWritten(scan: ShardScan): Promise<boolean> {
  try {
    for (;;) {
      const batch = await scan.next();
      if (batch === undefined) return true;
      if (batch.rowCount > 0 || batch.newest > 0) return false;
    }
  } finally {
    scan.close();
  }
}
