// What this replica holds, summed up where the log says so: at a checksum command, as of the command's timestamp. All
// writes at or below it come before the command and none after (Replica.proposeChecksum), so that it does not matter
// what is applied while the shard reads; but for spans that are cleared, which takes their past away too: a sum that
// such a command overtakes is void.

import type { Timestamp } from '../../clock/timestamp.ts';
import type { Shard, ShardChecksum } from '../../storage/shard.ts';
import type { Bounds } from '../bounds.ts';
import { commandTimestamp } from '../command.ts';

export type ReplicaSum =
  | { readonly kind: 'done'; readonly at: Timestamp; readonly sum: ShardChecksum }
  /** The state was cleared in part or replaced meanwhile, or could not be read. */
  | { readonly kind: 'void'; readonly reason: string };

interface Entry {
  readonly id: number;
  /** Undefined: the command has not been applied here yet. */
  at: Timestamp | undefined;
  outcome: ReplicaSum | undefined;
  waiters: ((sum: ReplicaSum) => void)[];
}

const ENDED: ReplicaSum = { kind: 'void', reason: 'the replica is none any more' };
const REPLACED: ReplicaSum = { kind: 'void', reason: 'a snapshot has replaced the state' };

/** Kept, or waited for; the oldest goes. */
const SUMS_MAX = 8;

export class ReplicaSums {
  private readonly shard: Shard;
  private readonly bounds: Pick<Bounds, 'span'>;
  private entries: Entry[] = [];
  /** A snapshot replaced the state, which shows nothing above it: commands of earlier ids may be among what it holds, and
   * then they are never applied here. */
  private replacedUpTo = Number.NEGATIVE_INFINITY;
  private isOver = false;

  constructor(shard: Shard, bounds: Pick<Bounds, 'span'>) {
    this.shard = shard;
    this.bounds = bounds;
  }

  /** The command is the last one that the shard was given. */
  compute(id: number, command: Uint8Array): void {
    const entry = this.entry(id);
    const at = commandTimestamp(command) as Timestamp;
    entry.at = at;
    this.shard.checksum(this.bounds.span, at).then(
      (sum) => settle(entry, { kind: 'done', at, sum }),
      (error: unknown) => settle(entry, { kind: 'void', reason: String(error) }),
    );
  }

  /** Or became another range's in part. */
  stateCleared(): void {
    for (const entry of this.entries) {
      if (entry.at === undefined) continue;
      settle(entry, { kind: 'void', reason: 'what was summed up was cleared meanwhile' });
    }
  }

  /** Whoever waits for a command that the snapshot holds would wait for ever. */
  stateReplaced(greatest: Timestamp): void {
    this.replacedUpTo = greatest;
    for (const entry of this.entries) if (entry.id <= greatest) settle(entry, REPLACED);
  }

  /** Nothing is applied here any more. */
  end(): void {
    this.isOver = true;
    for (const entry of this.entries) if (entry.at === undefined) settle(entry, ENDED);
  }

  /** Resolves once the command with this id was applied here and what it asks for is known. */
  wait(id: number): Promise<ReplicaSum> {
    const entry = this.entry(id);
    if (entry.at === undefined && id <= this.replacedUpTo) settle(entry, REPLACED);
    if (entry.at === undefined && this.isOver) settle(entry, ENDED);
    if (entry.outcome !== undefined) return Promise.resolve(entry.outcome);
    return new Promise((resolve) => entry.waiters.push(resolve));
  }

  private entry(id: number): Entry {
    let entry = this.entries.find((one) => one.id === id);
    if (entry === undefined) {
      entry = { id, at: undefined, outcome: undefined, waiters: [] };
      this.entries.push(entry);
    }
    while (this.entries.length > SUMS_MAX) {
      settle(this.entries.shift() as Entry, { kind: 'void', reason: 'later ones took its place' });
    }
    return entry;
  }
}

/** The first outcome stands. */
function settle(entry: Entry, outcome: ReplicaSum): void {
  if (entry.outcome !== undefined) return;
  entry.outcome = outcome;
  for (const wake of entry.waiters) wake(outcome);
  entry.waiters = [];
}
