// What happens when nobody comes back: whoever is prepared here and hears nothing asks the range that decides (P19), at
// once when an older transaction waits for it (P21); and what was decided here is told again to those who have not been
// heard of, until it may be forgotten (P18). Runs only while there is something of that kind, and this replica leads.

import { MIN_TIMESTAMP } from '../../clock/timestamp.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { OutcomeRoutes } from '../endpoint.ts';
import type { LockTable } from '../locks/lock-table.ts';
import type { Deciding } from './deciding.ts';
import type { Decision } from './decisions.ts';
import type { Participant } from './participant.ts';
import type { Prepared } from './prepared.ts';
import type { TwoPhaseState } from './two-phase-state.ts';

const LOOK_MICROS = 100_000;
/** Looks without a word: most commits take a fraction of one. */
const LOOKS_BEFORE_INQUIRY = 15;
/** By then the deadline of every commit has passed (txn/settings.ts), whoever attends to it. */
const LOOKS_BEFORE_DEADLINE = 150;
const LOOKS_BEFORE_WOUND = 1;
const LOOKS_BEFORE_TELLING = 30;
/** One look in so many asks for decisions that may be forgotten. */
const LOOKS_FOR_FORGETTING = 20;

export class Recovery {
  private readonly runtime: Runtime;
  private readonly state: TwoPhaseState;
  private readonly locks: LockTable;
  private readonly participant: Participant;
  private readonly deciding: Deciding;
  private readonly routes: OutcomeRoutes | undefined;
  private timer: Disposable | undefined = undefined;
  private isLeading = false;
  private looks = 0;

  constructor(
    runtime: Runtime,
    state: TwoPhaseState,
    locks: LockTable,
    participant: Participant,
    deciding: Deciding,
    routes: OutcomeRoutes | undefined,
  ) {
    this.runtime = runtime;
    this.state = state;
    this.locks = locks;
    this.participant = participant;
    this.deciding = deciding;
    this.routes = routes;
  }

  lead(): void {
    this.isLeading = true;
    this.watch();
  }

  cease(): void {
    this.isLeading = false;
    this.timer?.[Symbol.dispose]();
    this.timer = undefined;
  }

  /** Something is prepared or decided. */
  watch(): void {
    if (!this.isLeading || this.timer !== undefined) return;
    const { prepared, decisions } = this.state;
    if (prepared.size === 0 && decisions.size === 0) return;
    this.timer = this.runtime.timers.after(LOOK_MICROS, () => {
      this.timer = undefined;
      this.look();
      this.watch();
    });
  }

  private look(): void {
    this.looks++;
    for (const prepared of this.state.prepared.all()) {
      prepared.looks++;
      if (this.mustAsk(prepared)) void this.ask(prepared);
    }
    for (const decision of this.state.decisions.all()) {
      if (decision.isSettled || decision.isBeingTold) continue;
      decision.looks++;
      if (decision.looks % LOOKS_BEFORE_TELLING === 0) void this.tell(decision);
    }
    if (this.looks % LOOKS_FOR_FORGETTING === 0) this.deciding.forgetOld();
  }

  private mustAsk({ isBeingAsked, isAttended, looks, session }: Prepared): boolean {
    if (isBeingAsked) return false;
    if (looks % (isAttended ? LOOKS_BEFORE_DEADLINE : LOOKS_BEFORE_INQUIRY) === 0) return true;
    return (
      looks > LOOKS_BEFORE_WOUND && session !== undefined && this.locks.isInTheWay(session.owner)
    );
  }

  private async ask(prepared: Prepared): Promise<void> {
    const { txn, anchor, deadline } = prepared.facts;
    if (this.routes === undefined) return;
    prepared.isBeingAsked = true;
    try {
      const answer = await this.routes.inquire(txn, anchor, deadline);
      if (!this.isLeading || this.state.prepared.find(txn) !== prepared) return;
      if (answer.kind !== 'notServing') this.runtime.faults.reached('txn.recovered');
      if (answer.kind === 'committed') {
        await this.participant.resolvePrepared(prepared, answer.timestamp);
      } else if (answer.kind === 'aborted') {
        await this.participant.resolvePrepared(prepared, MIN_TIMESTAMP);
      }
    } finally {
      prepared.isBeingAsked = false;
    }
  }

  private async tell(decision: Decision): Promise<void> {
    const { txn, s, participants } = decision.facts;
    if (this.routes === undefined) return;
    const { routes } = this;
    decision.isBeingTold = true;
    try {
      const outcome = { kind: 'committed', timestamp: s } as const;
      const answers = await Promise.all(
        participants.map((span) => routes.resolve({ txn, outcome, span })),
      );
      if (answers.every(({ kind }) => kind === 'resolved')) decision.isSettled = true;
    } finally {
      decision.isBeingTold = false;
    }
  }
}
