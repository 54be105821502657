// Waiting for a lock with a time limit: the lock table's callbacks joined with the runtime's timers.

import type { Runtime } from '../../runtime/runtime.ts';
import type { Bounds } from '../bounds.ts';
import type { RangeRefusal } from '../endpoint.ts';
import type { Span } from '../requests.ts';
import type { Spending } from '../spending.ts';
import type { LockWait } from './lock-owner.ts';
import type { LockTable } from './lock-table.ts';
import type { Session } from './session.ts';
import type { Sessions } from './sessions.ts';

/** Undefined: the lock is held. */
export type LockOutcome = RangeRefusal | undefined;

export class LockWaits {
  private readonly bounds: Bounds;
  private readonly locks: LockTable;
  private readonly sessions: Sessions;
  private readonly runtime: Runtime;
  private readonly spending: Spending;

  constructor(
    bounds: Bounds,
    locks: LockTable,
    sessions: Sessions,
    runtime: Runtime,
    spending: Spending,
  ) {
    this.bounds = bounds;
    this.locks = locks;
    this.sessions = sessions;
    this.runtime = runtime;
    this.spending = spending;
  }

  /** After tryKey said no. `done` is called once, perhaps before this returns. */
  waitKey(
    session: Session,
    key: Uint8Array,
    hash: number,
    exclusive: boolean,
    timeoutMicros: number,
    done: (outcome: LockOutcome) => void,
  ): void {
    this.wait(session, { start: key, end: undefined }, timeoutMicros, done, (told) =>
      this.locks.waitKey(session.owner, key, hash, exclusive, told),
    );
  }

  /** After trySpan said no. */
  waitSpan(
    session: Session,
    span: Span,
    exclusive: boolean,
    timeoutMicros: number,
    done: (outcome: LockOutcome) => void,
  ): void {
    this.wait(session, span, timeoutMicros, done, (told) =>
      this.locks.waitSpan(session.owner, span.start, span.end, exclusive, told),
    );
  }

  private wait(
    session: Session,
    where: Span,
    timeoutMicros: number,
    done: (outcome: LockOutcome) => void,
    begin: (told: (granted: boolean) => void) => LockWait | undefined,
  ): void {
    let timer: Disposable | undefined;
    let isTold = false;
    const { time } = this.runtime;
    const began = time.monotonicMicros();
    const wait = begin((granted) => {
      isTold = true;
      timer?.[Symbol.dispose]();
      this.spending.lockWaited(time.monotonicMicros() - began);
      done(granted ? undefined : this.whyRefused(session, where));
    });
    if (wait === undefined) {
      done(undefined);
    } else if (!isTold && Number.isFinite(timeoutMicros)) {
      timer = this.runtime.timers.after(Math.max(0, timeoutMicros), () => {
        this.locks.cancel(wait);
        this.spending.lockWaited(time.monotonicMicros() - began);
        done({ kind: 'lockTimeout', key: where.start });
      });
    }
  }

  /** A session that lives on was refused because a split has taken the keys away. */
  private whyRefused(session: Session, where: Span): RangeRefusal {
    return this.sessions.whyNotLive(session) ?? this.bounds.wrong(where);
  }
}
