// Lock sessions are the fencing token (P15): whatever a transaction has locked here belongs to one session of this
// leader's term. A wound, a change of leadership or generation, or its end kills the session, and every later request
// that quotes it is refused.

import type { LockSession, Refusal, TxnRef } from './api.ts';
import { SESSIONS_MAX } from './limits.ts';
import type { LockTable } from './lock-table.ts';
import { Session } from './session.ts';
import { SessionTable } from './session-table.ts';

const WOUNDED: Refusal = {
  kind: 'wounded',
  message: 'an older transaction needed a lock that this one held',
};

export class Sessions {
  private readonly range: number;
  private readonly locks: LockTable;
  private byTxn = new SessionTable();
  private lastSession = 0;
  private generation = 0;
  private term = 0;

  constructor(range: number, locks: LockTable) {
    this.range = range;
    this.locks = locks;
  }

  get size(): number {
    return this.byTxn.size;
  }

  /** Sessions opened from now on are those of this leader. None is open. */
  lead(generation: number, term: number): void {
    this.generation = generation;
    this.term = term;
  }

  /** The transaction's session: the one it quotes, or a new one when it has none here yet. */
  admit(txn: TxnRef, token: LockSession | undefined): Session | Refusal {
    const session = this.byTxn.find(txn.id);
    if (session === undefined) {
      if (token !== undefined) {
        return { kind: 'sessionGone', message: `session ${token.session} is not known here` };
      }
      return this.open(txn);
    }
    // The token itself, when it came from this process; else its equal.
    if (token !== undefined && token !== session.token && !isSame(token, session.token)) {
      return { kind: 'sessionGone', message: `session ${token.session} has ended` };
    }
    return this.whyNotLive(session) ?? session;
  }

  whyNotLive(session: Session): Refusal | undefined {
    switch (session.owner.state) {
      case 'active':
        return undefined;
      case 'wounded':
        return WOUNDED;
      case 'committing':
        return { kind: 'sessionGone', message: 'the transaction is already committing' };
      case 'ended':
        return { kind: 'sessionGone', message: 'the session has ended' };
    }
  }

  /** For a release, which may come without a token when the first answer never came. */
  find(txn: string): Session | undefined {
    return this.byTxn.find(txn);
  }

  end(session: Session): void {
    this.byTxn.remove(session);
    this.locks.release(session.owner);
  }

  endAll(): void {
    const ended = this.byTxn;
    this.byTxn = new SessionTable();
    for (const session of ended.all()) this.locks.release(session.owner);
  }

  private open(txn: TxnRef): Session | Refusal {
    if (this.byTxn.size >= SESSIONS_MAX) {
      return { kind: 'notServing', message: `${SESSIONS_MAX} transactions hold locks already` };
    }
    const session = new Session(txn, {
      range: this.range,
      generation: this.generation,
      term: this.term,
      session: ++this.lastSession,
    });
    this.byTxn.add(session);
    return session;
  }
}

function isSame(a: LockSession, b: LockSession): boolean {
  return (
    a.session === b.session &&
    a.term === b.term &&
    a.generation === b.generation &&
    a.range === b.range
  );
}
