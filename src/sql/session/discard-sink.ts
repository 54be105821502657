// Takes rows and keeps nothing: EXPLAIN ANALYZE.

import type { ResultSink } from '../api.ts';

export class DiscardSink implements ResultSink {
  readonly full = false;

  fields(): void {}
  tuple(): void {}
  stored(): void {}
  complete(): void {}
  emptyQuery(): void {}
  suspended(): void {}
  notice(): void {}
  parameterStatus(): void {}
  error(): void {}
  copyOut(): void {}
  copyData(): void {}
  copyOutDone(): void {}

  drained(): Promise<void> {
    return Promise.resolve();
  }
}
