// What the tests of the log share.
import { configurationOf } from '../../src/raft/configuration.ts';
import type { GroupLog } from '../../src/raft/log/group-log.ts';
import { type LogOptions, RaftLog } from '../../src/raft/log/log.ts';
import type { Entry, EntryKind } from '../../src/raft/types.ts';
import { type TestRuntime, testRuntime } from './crash-files.ts';

export const directory = 'raft';

export const smallOptions: LogOptions = {
  segmentBytes: 1024,
  cacheBytes: 512,
  writeBytesMax: 600,
  keptSegments: 100,
};

export const roomyOptions: LogOptions = {
  segmentBytes: 64 * 1024,
  cacheBytes: 512,
  writeBytesMax: 16 * 1024,
  keptSegments: 100,
};

export function openLog(
  runtime: TestRuntime = testRuntime(),
  options: LogOptions = smallOptions,
): Promise<RaftLog> {
  return RaftLog.open(runtime, directory, options);
}

export function createLogGroup(log: RaftLog, groupId: number): GroupLog {
  return log.create(groupId, {
    replicaId: 1,
    configuration: configurationOf([1]),
    configurationIndex: 0,
  });
}

export function entry(index: number, term: number, size = 20, kind: EntryKind = 'command'): Entry {
  const data = new Uint8Array(size);
  // Never zero, so that a lost byte shows.
  for (let i = 0; i < size; i++) data[i] = 1 + ((index * 31 + term * 7 + i) % 255);
  return { index, term, kind, data };
}

export function entries(first: number, last: number, term: number, size = 20): Entry[] {
  const out: Entry[] = [];
  for (let index = first; index <= last; index++) out.push(entry(index, term, size));
  return out;
}

/** Everything that the log still holds of the group. */
export async function readAll(log: RaftLog, group: GroupLog, first?: number): Promise<Entry[]> {
  const out: Entry[] = [];
  let next = first ?? group.firstIndex;
  while (next <= group.lastIndex) {
    const read = await log.read(group, next, group.lastIndex, 400);
    out.push(...read);
    next += read.length;
  }
  return out;
}

export function plain(list: readonly Entry[]): unknown[] {
  return list.map(({ index, term, kind, data }) => [index, term, kind, [...data]]);
}
