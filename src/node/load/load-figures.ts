// What a node counts of its ranges' load and of what it did about it, for /metrics.

import type { Gauge } from '../status.ts';
import type { LoadKeeper } from './load-keeper.ts';
import type { SplitQueue } from './split-queue.ts';

export function loadGauges(keeper: LoadKeeper, queue: SplitQueue): Gauge[] {
  const { counts } = keeper.book;
  const { leadWork, followWork, capacity } = keeper.nodeLoad();
  const { loadSplits, frontSplits, sizeSplits, merges, failures } = queue.counts;
  const one = (type: Gauge['type'], name: string, help: string, value: number): Gauge => ({
    name,
    help,
    type,
    value,
  });
  return [
    one(
      'counter',
      'range_requests_total',
      'Reads of keys, scans and commits in ranges that this node led.',
      counts.requestsCounted,
    ),
    one(
      'counter',
      'main_thread_busy_seconds_total',
      'For how long the main thread was busy.',
      (keeper.busyMicros ?? 0) / 1e6,
    ),
    one(
      'gauge',
      'work_capacity',
      'Microseconds of work that the node believes it can do in a second.',
      capacity,
    ),
    one(
      'gauge',
      'lead_load',
      'Share of what the node can do, for ranges that it leads.',
      leadWork / capacity,
    ),
    one('gauge', 'follow_load', 'The same for ranges that it follows.', followWork / capacity),
    one('counter', 'splits_load_total', 'Ranges split because they were busy.', loadSplits),
    one('counter', 'splits_ahead_total', 'Ranges split ahead of a growing key.', frontSplits),
    one('counter', 'splits_size_total', 'Ranges split because they were large.', sizeSplits),
    one('counter', 'merges_total', 'Ranges merged.', merges),
    one('counter', 'split_failures_total', 'Splits and merges that failed.', failures),
    one(
      'counter',
      'snapshot_bytes_sent_total',
      'Bytes of ranges that were sent to other nodes.',
      counts.snapshotBytesSent,
    ),
  ];
}
