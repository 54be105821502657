// How a storage shard is started: on a thread of its own over RocksDB, or inline over any engine.

import { assert } from '../base/assert.ts';
import type { WorkerEntry } from '../runtime/runtime.ts';
import type { Engine } from './engine.ts';
import type { PageTuning } from './row-store.ts';
import { openRocksEngine } from './rocksdb-engine.ts';
import { type ShardData, shardMain } from './shard-server.ts';

function openAtPath(data: unknown): Promise<Engine> {
  const path = (data as Partial<ShardData> | undefined)?.path;
  assert(typeof path === 'string', 'a storage shard is started with the path of its database');
  return openRocksEngine(path);
}

/** For runtimes that run threads inline: the same shard over another engine, if need be with smaller pages. */
export function shardEntry(
  openEngine: (data: unknown) => Promise<Engine>,
  tuning?: PageTuning,
): WorkerEntry {
  return {
    name: 'storage-shard',
    module: new URL('./shard-worker.js', import.meta.url),
    inline: shardMain(openEngine, tuning),
  };
}

/** Over RocksDB. */
export const shardWorkerEntry: WorkerEntry = shardEntry(openAtPath);
