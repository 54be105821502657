// A transaction's standing in this range: its locks are one session's, and end with it (P15).

import type { RangeCommit } from '../endpoint.ts';
import type { LockSession, TxnRef } from '../requests.ts';
import { LockOwner } from './lock-owner.ts';

/** The sessions of another range. */
interface SessionsOf {
  relax(session: Session): void;
  release(session: Session): void;
}

interface Heir {
  readonly sessions: SessionsOf;
  readonly session: Session;
}

export class Session {
  readonly owner: LockOwner;
  readonly token: LockSession;
  /** What a single locked read answers: made once. */
  readonly rowAnswer: { readonly kind: 'row'; readonly session: LockSession };

  /** What it was in the ranges that this one's keys come from: a transaction goes on quoting those (P15). */
  formerly: readonly LockSession[] | undefined = undefined;
  /** Where keys that it had locked here are now. */
  heirs: Heir[] | undefined = undefined;
  /** Where all that it had locked is now, since its range was merged into another. */
  movedTo: Heir | undefined = undefined;

  /** Of the commit under way, for an attempt that is sent again (P20). */
  commit: Promise<RangeCommit> | undefined = undefined;
  /** In the session table. */
  next: Session | undefined = undefined;

  constructor(txn: TxnRef, token: LockSession) {
    this.owner = new LockOwner(txn.id, txn.age);
    this.token = token;
    this.rowAnswer = { kind: 'row', session: token };
  }

  /** Who has keys now that it had locked, wherever they have gone since. */
  *heirsNow(): Generator<Heir> {
    for (const first of this.heirs ?? []) {
      let heir = first;
      while (heir.session.movedTo !== undefined) heir = heir.session.movedTo;
      // They may have come back.
      if (heir.session !== this) yield heir;
    }
  }

  /** Whether its locks still protect what was read under them; to be asked again after every await. */
  get isLive(): boolean {
    const { state } = this.owner;
    return state !== 'wounded' && state !== 'ended';
  }
}
