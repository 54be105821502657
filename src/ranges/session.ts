// A transaction's standing in this range: its locks are one session's, and end with it (P15).

import type { CommitAnswer, LockSession, TxnRef } from './api.ts';
import { LockOwner } from './lock-owner.ts';

export class Session {
  readonly owner: LockOwner;
  readonly token: LockSession;
  /** What a single locked read answers: made once. */
  readonly rowAnswer: { readonly kind: 'row'; readonly session: LockSession };

  /** Of the commit under way, for an attempt that is sent again (P20). */
  commit: Promise<CommitAnswer> | undefined = undefined;
  /** In the session table. */
  next: Session | undefined = undefined;

  constructor(txn: TxnRef, token: LockSession) {
    this.owner = new LockOwner(txn.id, txn.age);
    this.token = token;
    this.rowAnswer = { kind: 'row', session: token };
  }

  /** Whether its locks still protect what was read under them; to be asked again after every await. */
  get isLive(): boolean {
    return this.owner.state === 'active' || this.owner.state === 'committing';
  }
}
