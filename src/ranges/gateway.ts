// What one gateway's node has locked in the ranges here. Its locks last for as long as it is heard from; when its stream
// ends, or it is silent for too long, they go, unless they belong to what is prepared or being decided (DESIGN.md section
// 8.9, P19).

import type { RangeEndpoint, RangeTxn } from './endpoint.ts';
import type { RangeLoad } from './load/range-load.ts';
import type { TxnId } from './requests.ts';
import type { RangeId } from '../storage/shard.ts';

export interface ServedRange {
  readonly endpoint: RangeEndpoint;
  readonly load?: Pick<RangeLoad, 'served'>;
}

export interface ServedRanges {
  lookup(range: RangeId): ServedRange | undefined;
  /** Who has what was locked in a range, also after that was merged into another. */
  holder(range: RangeId): ServedRange | undefined;
}

/** Whether nothing of a transaction is left in a range that has answered so. What is prepared is its coordinator's, who
 * attends to it until it says that it has ended. Both ends of a stream keep the same account by it. */
export function endsSession(request: 'commit' | 'decide' | 'resolve', answer: string): boolean {
  if (answer === 'wrongRange' || answer === 'notLeader') return false;
  return request === 'decide' ? answer !== 'notServing' : true;
}

export class Gateway {
  private readonly ranges: ServedRanges;
  private readonly standing = new Map<TxnId, { readonly txn: RangeTxn; in: Set<RangeId> }>();

  constructor(ranges: ServedRanges) {
    this.ranges = ranges;
  }

  /** How many transactions hold locks here, or may. */
  get transactions(): number {
    return this.standing.size;
  }

  /** It asks for locks, which it has from now on, perhaps. */
  stands(txn: RangeTxn, range: RangeId): void {
    const stand = this.standing.get(txn.id);
    if (stand === undefined) this.standing.set(txn.id, { txn, in: new Set([range]) });
    else stand.in.add(range);
  }

  /** What it holds in the range ends in another way. */
  leaves(txn: TxnId, range: RangeId): void {
    const stand = this.standing.get(txn);
    if (stand?.in.delete(range) === true && stand.in.size === 0) this.standing.delete(txn);
  }

  /** The transaction is over. Ranges may have been divided since it was there, so that it is told to all of them. */
  ends(txn: RangeTxn, range: RangeId): void {
    const stand = this.standing.get(txn.id);
    this.standing.delete(txn.id);
    this.release(txn, range);
    for (const other of stand?.in ?? []) if (other !== range) this.release(txn, other);
  }

  /** The gateway is gone. */
  gone(): void {
    const all = [...this.standing.values()];
    this.standing.clear();
    for (const stand of all) for (const range of stand.in) this.release(stand.txn, range, true);
  }

  private release(txn: RangeTxn, range: RangeId, isForsaken = false): void {
    this.ranges.holder(range)?.endpoint.release({ range, generation: 0 }, txn, isForsaken);
  }
}
