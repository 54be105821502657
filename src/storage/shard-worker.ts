// The module that a storage shard's thread loads.

import type { WorkerMain } from '../runtime/runtime.ts';
import { shardWorkerEntry } from './shard-entry.ts';

const main: WorkerMain = shardWorkerEntry.inline;
export default main;
