// What was decided here about transactions of several ranges: one decision for each id, kept in every replica until all
// that is prepared elsewhere is resolved and no attempt can come any more (P18, P19, P20).

import type { Timestamp } from '../../clock/timestamp.ts';
import { MIN_TIMESTAMP } from '../../clock/timestamp.ts';
import type { TxnId } from '../requests.ts';
import { type DecisionFacts, encodeDecide } from './two-phase-format.ts';

export class Decision {
  readonly facts: DecisionFacts;
  /** Every participant is resolved, as far as this replica knows; an aborted one asks by itself. */
  isSettled: boolean;
  /** Looks of recovery since this leader knows of it. */
  looks = 0;
  isBeingTold = false;

  constructor(facts: DecisionFacts) {
    this.facts = facts;
    this.isSettled = facts.s === MIN_TIMESTAMP || facts.participants.length === 0;
  }

  get isCommitted(): boolean {
    return this.facts.s !== MIN_TIMESTAMP;
  }

  /** Nobody can ask for it any more in a way that would need it. */
  isOver(earliest: Timestamp): boolean {
    return this.isSettled && earliest > this.facts.deadline;
  }
}

export class Decisions {
  private readonly byTxn = new Map<TxnId, Decision>();

  get size(): number {
    return this.byTxn.size;
  }

  find(txn: TxnId): Decision | undefined {
    return this.byTxn.get(txn);
  }

  /** The first one stands (P19). */
  add(decision: Decision): boolean {
    const { txn } = decision.facts;
    if (this.byTxn.has(txn)) return false;
    this.byTxn.set(txn, decision);
    return true;
  }

  delete(txn: TxnId): boolean {
    return this.byTxn.delete(txn);
  }

  all(): readonly Decision[] {
    return [...this.byTxn.values()];
  }

  clear(): void {
    this.byTxn.clear();
  }
}

export function decisionRecord(facts: DecisionFacts): Uint8Array {
  return encodeDecide(facts, [], () => false);
}
