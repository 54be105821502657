// A range that divides, and its halves, in one storage shard.

import { expect } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { type Timestamp, timestamp } from '../../src/clock/timestamp.ts';
import type { LockSession, TxnRef, Write } from '../../src/ranges/api.ts';
import type { RangeCommit, RangeLocking, RangeRow, RangeTxn } from '../../src/ranges/endpoint.ts';
import type { SplitBirth } from '../../src/ranges/handed-over.ts';
import type { ChangeOutcome } from '../../src/ranges/range-changes.ts';
import { newRowSlice } from '../../src/ranges/reads/row-slice.ts';
import { Replica } from '../../src/ranges/replica.ts';
import type { Heir, ReplicaParts } from '../../src/ranges/replica-parts.ts';
import { Life } from '../../src/sim/world.ts';
import { RowCache } from '../../src/storage/row-cache.ts';
import { ANY, FakeLog, Rig, textOf } from './fixture.ts';

export const RIGHT = 8;
export const AT: Uint8Array = utf8('m');
export const BLOCK: RangeLocking = {
  mode: 'exclusive',
  wait: 'block',
  timeoutMicros: 1_000_000_000,
};

/** A range that is split at 'm' by split(); its child has a log of its own. */
export class SplitRig {
  readonly rig: Rig = new Rig();
  readonly births: SplitBirth[] = [];
  readonly childLog: FakeLog;
  readonly parent: Replica;
  child: Replica | undefined = undefined;
  mayBear = true;

  constructor() {
    this.childLog = new FakeLog(this.rig.world, new Life(0), () => 500, 1);
    this.parent = this.replica(0, this.rig.cache);
  }

  static async serving(): Promise<SplitRig> {
    const rig = new SplitRig();
    await rig.rig.until(rig.rig.shard.opened);
    await rig.rig.until(rig.parent.lead(1));
    return rig;
  }

  replica(appliedIndex: number, cache: RowCache, other: Partial<ReplicaParts> = {}): Replica {
    return this.rig.newReplica(appliedIndex, cache, {
      mayBear: () => this.mayBear,
      born: (birth) => this.bear(birth, cache),
      ...other,
    });
  }

  bear(birth: SplitBirth, cache: RowCache): Heir | undefined {
    this.births.push(birth);
    if (!this.mayBear) return undefined;
    const child = this.rig.newChild(birth, cache, this.childLog);
    this.child = child;
    return child;
  }

  get right(): Replica {
    if (this.child === undefined) throw new Error('it was not split');
    return this.child;
  }

  begin(): Promise<ChangeOutcome> {
    return this.parent.changes.split({ at: AT, right: RIGHT, stickyUntil: timestamp(0) });
  }

  /** Both halves are led from then on. */
  async split(): Promise<void> {
    expect(await this.rig.until(this.begin())).toMatchObject({ kind: 'changed' });
    await this.rig.until(this.right.lead(1));
  }

  commit(
    replica: Replica,
    txn: TxnRef,
    writes: readonly Write[],
    session?: LockSession,
  ): Promise<RangeCommit> {
    const deadline = timestamp(this.rig.clock.latest() + 10_000_000);
    return replica.endpoint.commit(ANY, by(txn, session), writes, deadline);
  }

  async write(replica: Replica, ...writes: readonly Write[]): Promise<Timestamp> {
    const answer = await this.rig.until(this.commit(replica, this.rig.txn(), writes));
    if (answer.kind !== 'committed') throw new Error(answer.kind);
    return answer.timestamp;
  }

  async lock(
    replica: Replica,
    txn: TxnRef,
    key: string,
    session?: LockSession,
  ): Promise<LockSession> {
    const row = await this.rig.until(this.locking(replica, txn, key, session));
    if (row.kind !== 'row') throw new Error(row.kind);
    return row.session;
  }

  async locking(
    replica: Replica,
    txn: TxnRef,
    key: string,
    session?: LockSession,
  ): Promise<RangeRow> {
    return replica.endpoint.lockedRead(ANY, by(txn, session), BLOCK, utf8(key), newRowSlice());
  }

  async read(
    replica: Replica,
    key: string,
    t: Timestamp = this.rig.clock.latest(),
  ): Promise<unknown> {
    const into = newRowSlice();
    const read = await this.rig.until(
      Promise.resolve(replica.endpoint.readAt(ANY, utf8(key), t, into)),
    );
    return read === true ? textOf(into) : read.kind;
  }
}

export function by(txn: TxnRef, session: LockSession | undefined): RangeTxn {
  return { ...txn, session };
}
