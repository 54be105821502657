// A commit in several ranges (DESIGN.md section 8.4). Ranges that were written prepare, those that were only read
// confirm, all at once (P16); then one of the written ones, which holds the anchor, decides, and writes its own part in
// the same log entry. Whoever is prepared learns the outcome from there, so that nothing hangs on this node (P19). What
// was answered with less than an outcome is settled by asking the anchor's range, never by guessing (P20).

import { compareBytes, equalBytes, keyAfter } from '../base/bytes.ts';
import type { IntervalClock } from '../clock/interval-clock.ts';
import { laterOf, MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import type {
  CommitAnswer,
  CommitPart,
  CommitPlan,
  CommitTimes,
  DecideRequest,
  Elsewhere,
  RangeTxn,
  Ranges,
  Refusal,
  ResolveRequest,
  Span,
  Standing,
  TxnRef,
  Write,
} from '../ranges/api.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { isElsewhere, type Outcomes } from './outcomes.ts';

export interface TwoPhaseParts {
  readonly clock: IntervalClock;
  readonly ranges: Ranges;
  readonly outcomes: Outcomes;
  readonly runtime: Pick<Runtime, 'faults'>;
}

type Outcome = ResolveRequest['outcome'];

/** What came of asking every range but the anchor's. */
type Round =
  | { readonly kind: 'ready'; readonly atLeast: Timestamp; readonly below: Timestamp }
  /** Somebody could not say: ask all again. */
  | { readonly kind: 'again' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

const AGAIN = { kind: 'again' } as const;
const ABORTED: Outcome = { kind: 'aborted' };

/** Throws DbError, as Ranges.plan does, when it surely did not commit. */
export function commitInParts(
  parts: TwoPhaseParts,
  txn: TxnRef,
  standing: Standing,
  writes: readonly Write[],
  deadline: Timestamp,
): Promise<CommitAnswer> {
  return new Attempt(parts, txn, standing, writes, deadline).run();
}

/** P17: of a transaction that only read, in several ranges: at `s` all its locks were held. */
export async function confirmInParts(
  parts: TwoPhaseParts,
  txn: TxnRef,
  standing: Standing,
  s: Timestamp,
): Promise<CommitAnswer> {
  const attempt = new Attempt(parts, txn, standing, [], MAX_TIMESTAMP);
  const round = await attempt.confirm(s);
  parts.ranges.release(txn, standing);
  if (round.kind === 'ready') return { kind: 'committed', timestamp: s };
  if (round.kind === 'refused') return round.refusal;
  return { kind: 'notServing', message: 'its ranges do not serve' };
}

/** Rounds of asking before a transaction that only read is given up: it has no deadline. */
const CONFIRM_ROUNDS_MAX = 8;

class Attempt {
  private readonly parts: TwoPhaseParts;
  private readonly txn: TxnRef;
  private readonly standing: Standing;
  private readonly writes: readonly Write[];
  private readonly deadline: Timestamp;
  /** Chosen once (P20). */
  private anchor: Uint8Array | undefined = undefined;
  /** Wherever a prepare went, in whichever round: there the outcome must be told. */
  private readonly sentTo: Span[] = [];
  /** A plan was carried out before. */
  private hasAsked = false;

  constructor(
    parts: TwoPhaseParts,
    txn: TxnRef,
    standing: Standing,
    writes: readonly Write[],
    deadline: Timestamp,
  ) {
    this.parts = parts;
    this.txn = txn;
    this.standing = standing;
    this.writes = writes;
    this.deadline = deadline;
  }

  async run(): Promise<CommitAnswer> {
    const { clock, ranges, outcomes } = this.parts;
    try {
      for (let rounds = 0; ; rounds++) {
        if (rounds > 0) await outcomes.pause(rounds);
        if (clock.latest() > this.deadline) return this.abandon(DEADLINE_PASSED);
        const plan = await ranges.plan(this.standing, this.writes);
        this.anchor ??= anchorOf(plan);
        const home = partOf(plan, this.anchor);
        const asked = this.ask(plan.parts.filter((part) => part !== home));
        this.hasAsked = true;
        const round = await asked;
        if (round.kind === 'refused') return this.abandon(round.refusal);
        if (round.kind === 'again') continue;
        const answer = await this.decide(home, round.atLeast, round.below);
        if (answer.kind === 'committed') return this.succeed(answer.timestamp, answer.times);
        if (answer.kind === 'ambiguous') return await this.settle(answer.message);
        if (isElsewhere(answer)) await ranges.correct(home.head, answer);
        else if (answer.kind !== 'notServing') return this.abandon(answer);
      }
    } catch (error) {
      // Nobody was asked to decide, or whoever was has surely not done so.
      this.abandon(DEADLINE_PASSED);
      throw error;
    }
  }

  async confirm(s: Timestamp): Promise<Round> {
    const { ranges, outcomes } = this.parts;
    for (let rounds = 0; rounds < CONFIRM_ROUNDS_MAX; rounds++) {
      if (rounds > 0) await outcomes.pause(rounds);
      const plan = await ranges.plan(this.standing, []);
      const round = await this.ask(plan.parts);
      if (round.kind === 'ready' && round.below <= s) continue;
      if (round.kind !== 'again') return round;
    }
    return AGAIN;
  }

  /** Prepares and confirms, in parallel. The first refusal is enough. */
  private ask(parts: readonly CommitPart[]): Promise<Round> {
    return new Promise((resolve, reject) => {
      let atLeast = MIN_TIMESTAMP;
      let below = MAX_TIMESTAMP;
      let isAgain = false;
      let left = parts.length;
      const one = (round: Round): void => {
        left--;
        if (round.kind === 'refused') {
          resolve(round);
        } else if (round.kind === 'again') {
          isAgain = true;
        } else {
          atLeast = laterOf(atLeast, round.atLeast);
          if (round.below < below) below = round.below;
        }
        if (left === 0) resolve(isAgain ? AGAIN : { kind: 'ready', atLeast, below });
      };
      if (left === 0) resolve({ kind: 'ready', atLeast, below });
      for (const part of parts) this.askPart(part).then(one, reject);
    });
  }

  private async askPart(part: CommitPart): Promise<Round> {
    const { head, endpoint, writes } = part;
    const { deadline } = this;
    const txn = this.txnAt(part);
    const isRead = writes.length === 0;
    if (!isRead) this.sent(spanOf(writes));
    const anchor = this.anchor as Uint8Array;
    const asked = isRead
      ? endpoint.confirm(head, txn)
      : endpoint.prepare(head, { txn, writes, anchor, deadline });
    // A broken way is no answer. Asking again is harmless (P20).
    const answer = await asked.catch(() => undefined);
    if (answer === undefined) return AGAIN;
    switch (answer.kind) {
      case 'confirmed':
        return { kind: 'ready', atLeast: MIN_TIMESTAMP, below: answer.until };
      case 'prepared':
        return { kind: 'ready', atLeast: answer.at, below: answer.until };
      case 'wrongRange':
      case 'notLeader':
        await this.parts.ranges.correct(head, answer);
        return AGAIN;
      case 'ambiguous':
      case 'notServing':
        return AGAIN;
      default:
        return { kind: 'refused', refusal: answer };
    }
  }

  private async decide(
    home: CommitPart,
    atLeast: Timestamp,
    below: Timestamp,
  ): Promise<CommitAnswer | Elsewhere> {
    const request: DecideRequest = {
      txn: this.txnAt(home),
      writes: home.writes,
      anchor: this.anchor as Uint8Array,
      participants: this.sentTo,
      atLeast,
      below,
      deadline: this.deadline,
    };
    try {
      return await home.endpoint.decide(home.head, request);
    } catch (error) {
      return { kind: 'ambiguous', message: String(error) };
    }
  }

  /** It was perhaps decided. From now on only the anchor's range can tell: what it answers stands (P19). */
  private async settle(message: string): Promise<CommitAnswer> {
    const { clock, outcomes } = this.parts;
    for (let tries = 1; clock.latest() <= this.deadline; tries++) {
      const answer = await outcomes.inquire(this.txn.id, this.anchor as Uint8Array, this.deadline);
      if (answer.kind === 'committed') {
        this.parts.runtime.faults.reached('txn.ambiguous-found');
        return this.succeed(answer.timestamp);
      }
      // Past its deadline a commit may have been forgotten: "aborted" says nothing then (P20).
      if (answer.kind === 'aborted' && clock.latest() < this.deadline) {
        return this.abandon({ kind: 'sessionGone', message });
      }
      await outcomes.pause(tries);
    }
    // Whoever is prepared finds out by himself.
    this.parts.ranges.release(this.txn, this.standing);
    return { kind: 'ambiguous', message };
  }

  private succeed(timestamp: Timestamp, times?: CommitTimes): CommitAnswer {
    this.tell({ kind: 'committed', timestamp });
    // P16: s has passed, so that locks on what was only read may go: whoever writes there now gets more than s.
    this.parts.ranges.release(this.txn, this.standing);
    return { kind: 'committed', timestamp, ...(times === undefined ? {} : { times }) };
  }

  private abandon(refusal: Refusal): CommitAnswer {
    this.tell(ABORTED);
    this.parts.ranges.release(this.txn, this.standing);
    return refusal;
  }

  /** In the background. Whoever does not hear it asks. */
  private tell(outcome: Outcome): void {
    const { outcomes } = this.parts;
    const { txn, sentTo, anchor } = this;
    if (sentTo.length === 0) return;
    const told = sentTo.map((span) => outcomes.resolve({ txn: txn.id, outcome, span }));
    void Promise.all(told).then((answers) => {
      const isResolved = answers.every(({ kind }) => kind === 'resolved');
      if (!isResolved || outcome.kind === 'aborted') return undefined;
      return outcomes.settled(txn.id, anchor as Uint8Array);
    });
  }

  private txnAt({ sessions: [session, ...also] }: CommitPart): RangeTxn {
    return { id: this.txn.id, age: this.txn.age, session, also };
  }

  private sent(span: Span): void {
    // The parts of one plan have nothing in common: with hundreds of them, to compare each with all takes a millisecond.
    const isKnown = this.hasAsked && this.sentTo.some((other) => isSame(other, span));
    if (!isKnown) this.sentTo.push(span);
  }
}

const DEADLINE_PASSED: Refusal = {
  kind: 'sessionGone',
  message: 'the deadline of the commit has passed',
};

/** A key in the range where most is written: that range writes its part with the decision, and is not prepared. */
function anchorOf({ parts }: CommitPlan): Uint8Array {
  let most: CommitPart | undefined;
  for (const part of parts) {
    if (most === undefined || part.writes.length > most.writes.length) most = part;
  }
  return ((most as CommitPart).writes[0] as Write).key;
}

function partOf({ parts }: CommitPlan, anchor: Uint8Array): CommitPart {
  return parts.find(({ writes }) =>
    writes.some(({ key }) => equalBytes(key, anchor)),
  ) as CommitPart;
}

/** The hull of their keys. */
function spanOf(writes: readonly Write[]): Span {
  let first = (writes[0] as Write).key;
  let last = first;
  for (const { key } of writes) {
    if (compareBytes(key, first) < 0) first = key;
    else if (compareBytes(key, last) > 0) last = key;
  }
  return { start: first, end: keyAfter(last) };
}

function isSame(a: Span, b: Span): boolean {
  return equalBytes(a.start, b.start) && equalBytes(a.end as Uint8Array, b.end as Uint8Array);
}
