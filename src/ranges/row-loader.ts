// Rows that are not in the row cache, from the shard (which gathers what is asked in one turn into one message and one
// batch of look-ups). What is found fills the cache, under P14.

import { hashBytes } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { ReadToken, RowCache } from '../storage/row-cache.ts';
import type { Shard, Version } from '../storage/shard.ts';
import type { ApplyPump } from './apply-pump.ts';

type Versions = readonly (Version | undefined)[];

export class RowLoader {
  private readonly shard: Shard;
  private readonly cache: RowCache;
  private readonly pump: ApplyPump;
  /** Since the start. */
  rowsLoaded = 0;

  constructor(shard: Shard, cache: RowCache, pump: ApplyPump) {
    this.shard = shard;
    this.cache = cache;
    this.pump = pump;
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
    this.pump.flush();
    return this.shard.get(keys, at).then((versions) => {
      this.fill(keys, hashes, tokens, versions);
      return versions;
    });
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
