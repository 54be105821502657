// Newest rows of a range: from the row cache at once, or from the shard, where all misses of one turn become one
// request. Fills the cache under P14.

import { hashBytes } from '../base/bytes.ts';
import { MAX_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import type { Timers } from '../runtime/runtime.ts';
import type { ReadToken, RowCache } from '../storage/row-cache.ts';
import type { Shard, Version } from '../storage/shard.ts';
import type { ApplyPump } from './apply-pump.ts';

type Versions = readonly (Version | undefined)[];

/** One caller's keys within the batch. */
interface Request {
  readonly keys: readonly Uint8Array[];
  readonly at: Timestamp;
  readonly resolve: (versions: Versions) => void;
  readonly reject: (error: unknown) => void;
}

export class RowLoader {
  private readonly shard: Shard;
  private readonly cache: RowCache;
  private readonly pump: ApplyPump;
  private readonly timers: Timers;
  private requests: Request[] = [];
  /** Since the start. */
  rowsLoaded = 0;

  constructor(shard: Shard, cache: RowCache, pump: ApplyPump, timers: Timers) {
    this.shard = shard;
    this.cache = cache;
    this.pump = pump;
    this.timers = timers;
  }

  /** The newest version at or below `at` of each key. All writes at or below `at` must be committed or refused. */
  load(keys: readonly Uint8Array[], at: Timestamp): Promise<Versions> {
    return new Promise((resolve, reject) => {
      this.requests.push({ keys, at, resolve, reject });
      if (this.requests.length === 1) this.timers.soon(() => this.send());
    });
  }

  /** Asks for the newest versions, whatever the time wanted: nearly always they are old enough, and only they may be
   * kept in the cache. */
  private send(): void {
    const requests = this.requests;
    this.requests = [];
    const keys = requests.length === 1 ? (requests[0] as Request).keys : joined(requests);
    const hashes = new Array<number>(keys.length);
    const tokens = new Array<ReadToken>(keys.length);
    for (let i = 0; i < keys.length; i++) {
      const hash = hashBytes(keys[i] as Uint8Array);
      hashes[i] = hash;
      tokens[i] = this.cache.readToken(hash);
    }
    this.rowsLoaded += keys.length;
    this.pump.flush();
    this.shard.get(keys, MAX_TIMESTAMP).then(
      (versions) => {
        this.fill(keys, hashes, tokens, versions);
        this.answer(requests, versions);
      },
      (error: unknown) => {
        for (const request of requests) request.reject(error);
      },
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
      const { timestamp, value } = version;
      const newest = { timestamp, value, isNewest: true };
      this.cache.fill(keys[i] as Uint8Array, hashes[i] as number, newest, tokens[i] as ReadToken);
    }
  }

  private answer(requests: readonly Request[], versions: Versions): void {
    let from = 0;
    for (const request of requests) {
      const own =
        requests.length === 1 ? versions : versions.slice(from, from + request.keys.length);
      from += request.keys.length;
      if (own.every((version) => version === undefined || version.timestamp <= request.at)) {
        request.resolve(own);
      } else {
        this.shard.get(request.keys, request.at).then(request.resolve, request.reject);
      }
    }
  }
}

function joined(requests: readonly Request[]): Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (const request of requests) for (const key of request.keys) keys.push(key);
  return keys;
}
