// What every replica knows of two-phase commit, whoever leads: which transactions are prepared here and which were
// decided here. It changes only with entries of the log, and is kept as records of the shard, written in one step with
// the rows that come of them: so it is the same on all replicas, and survives restarts, snapshots, splits and merges.

import { compareBytes, EMPTY_BYTES } from '../../base/bytes.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import type { RangeId } from '../../storage/shard.ts';
import { DECIDED_PREFIX, PREPARED_PREFIX, RecordSteps } from '../record-steps.ts';
import type { Span } from '../requests.ts';
import { Decision, Decisions, decisionRecord } from './decisions.ts';
import { Prepared, PreparedTable, partWithin, preparedRecord, united } from './prepared.ts';
import { encodeOutcomeWrites, readTwoPhase, type TwoPhaseCommand } from './two-phase-format.ts';

/** What an entry has changed. A resolve at MIN_TIMESTAMP is an abort. */
export type TwoPhaseEffect =
  | { readonly kind: 'prepared'; readonly prepared: Prepared }
  | { readonly kind: 'decided'; readonly decision: Decision }
  | { readonly kind: 'resolved'; readonly prepared: Prepared; readonly s: Timestamp }
  | { readonly kind: 'nothing' };

const NOTHING: TwoPhaseEffect = { kind: 'nothing' };

export class TwoPhaseState {
  readonly prepared: PreparedTable = new PreparedTable();
  readonly decisions: Decisions = new Decisions();

  /** Of a committed entry: what it changes here. The record steps are for the shard, under the entry's index. */
  apply(range: RangeId, command: Uint8Array, steps: RecordSteps): TwoPhaseEffect {
    const entry = readTwoPhase(command);
    switch (entry.kind) {
      case 'prepare': {
        const prepared = new Prepared(entry.prepared);
        this.prepared.add(prepared);
        steps.put(range, PREPARED_PREFIX + entry.prepared.txn, command);
        return { kind: 'prepared', prepared };
      }
      case 'decide':
        return this.applyDecision(range, entry, steps);
      case 'resolve': {
        const prepared = this.prepared.find(entry.txn);
        // Resolved already: whoever was told twice has logged it twice.
        if (prepared === undefined) return NOTHING;
        this.prepared.remove(prepared);
        steps.delete(range, PREPARED_PREFIX + entry.txn);
        if (entry.s !== MIN_TIMESTAMP) {
          const { txn, deadline, writes } = prepared.facts;
          steps.withWrites(encodeOutcomeWrites(txn, entry.s, deadline, writes));
        }
        return { kind: 'resolved', prepared, s: entry.s };
      }
      case 'forget':
        for (const txn of entry.txns) {
          if (this.decisions.delete(txn)) steps.delete(range, DECIDED_PREFIX + txn);
        }
        return NOTHING;
    }
  }

  private applyDecision(
    range: RangeId,
    { decision: facts, writes }: Extract<TwoPhaseCommand, { kind: 'decide' }>,
    steps: RecordSteps,
  ): TwoPhaseEffect {
    const decision = new Decision(facts);
    // P19: the first one stands.
    if (!this.decisions.add(decision)) return NOTHING;
    steps.put(range, DECIDED_PREFIX + facts.txn, decisionRecord(facts));
    if (decision.isCommitted && writes.length > 0) {
      steps.withWrites(encodeOutcomeWrites(facts.txn, facts.s, facts.deadline, writes));
    }
    return { kind: 'decided', decision };
  }

  /** From the shard's records. What lies outside the span is another range's by now (P18). */
  restore(records: ReadonlyMap<string, Uint8Array>, span: Span): void {
    this.prepared.clear();
    this.decisions.clear();
    for (const [name, record] of records) {
      const isPrepared = name.startsWith(PREPARED_PREFIX);
      if (!isPrepared && !name.startsWith(DECIDED_PREFIX)) continue;
      const entry = readTwoPhase(record.slice());
      if (entry.kind === 'prepare') {
        const part = partWithin(entry.prepared, span);
        if (part !== undefined) this.prepared.add(new Prepared(part));
      } else if (entry.kind === 'decide') {
        this.decisions.add(new Decision(entry.decision));
      }
    }
  }

  /** P18, P25: what lies at or after `at` goes to the range that begins there. Answers its records by name. */
  divide(
    left: RangeId,
    right: RangeId,
    at: Uint8Array,
    steps: RecordSteps,
  ): ReadonlyMap<string, Uint8Array> {
    const records = new Map<string, Uint8Array>();
    for (const prepared of this.prepared.all()) {
      const { facts } = prepared;
      const name = PREPARED_PREFIX + facts.txn;
      const there = partWithin(facts, { start: at, end: undefined });
      if (there === undefined) continue;
      records.set(name, preparedRecord(there));
      const here = partWithin(facts, { start: EMPTY_BYTES, end: at });
      if (here === undefined) {
        this.prepared.remove(prepared);
        steps.delete(left, name);
      } else {
        this.prepared.add(prepared.withFacts(here));
        steps.put(left, name, preparedRecord(here));
      }
    }
    for (const { facts } of this.decisions.all()) {
      if (compareBytes(facts.anchor, at) < 0) continue;
      const name = DECIDED_PREFIX + facts.txn;
      records.set(name, decisionRecord(facts));
      this.decisions.delete(facts.txn);
      steps.delete(left, name);
    }
    for (const [name, record] of records) steps.put(right, name, record);
    return records;
  }

  /** As they are in the shard. */
  records(): ReadonlyMap<string, Uint8Array> {
    const records = new Map<string, Uint8Array>();
    for (const { facts } of this.prepared.all()) {
      records.set(PREPARED_PREFIX + facts.txn, preparedRecord(facts));
    }
    for (const { facts } of this.decisions.all()) {
      records.set(DECIDED_PREFIX + facts.txn, decisionRecord(facts));
    }
    return records;
  }

  /** P27: what the range to the right had is this one's from now on. */
  unite(range: RangeId, records: ReadonlyMap<string, Uint8Array>, steps: RecordSteps): void {
    const right = new TwoPhaseState();
    right.restore(records, { start: EMPTY_BYTES, end: undefined });
    for (const { facts } of right.prepared.all()) {
      const own = this.prepared.find(facts.txn);
      const whole = own === undefined ? facts : united(own.facts, facts);
      this.prepared.add(new Prepared(whole));
      steps.put(range, PREPARED_PREFIX + facts.txn, preparedRecord(whole));
    }
    for (const { facts } of right.decisions.all()) {
      if (!this.decisions.add(new Decision(facts))) continue;
      steps.put(range, DECIDED_PREFIX + facts.txn, decisionRecord(facts));
    }
  }
}
