// In place of a replica that is not here: a descriptor said that it was, and is out of date.

import type { Maybe } from '../../base/maybe.ts';
import type { Elsewhere, RangeEndpoint, TwoPhaseEndpoint } from '../endpoint.ts';
import { RangeGone } from '../range-gone.ts';

const ELSEWHERE: Elsewhere = { kind: 'wrongRange', known: [] };
const later = (): Promise<Elsewhere> => Promise.resolve(ELSEWHERE);
const atOnce = (): Maybe<Elsewhere> => ELSEWHERE;

const twoPhase: TwoPhaseEndpoint = {
  prepare: later,
  confirm: later,
  decide: later,
  resolve: later,
  inquire: later,
  settled: later,
};

export const ABSENT_RANGE: RangeEndpoint = {
  readAt: atOnce,
  getAt: atOnce,
  scanAt: () => ({
    next: () => Promise.reject(new RangeGone(ELSEWHERE)),
    close: () => undefined,
  }),
  lockedRead: atOnce,
  lockedGet: atOnce,
  lockedScan: atOnce,
  commit: later,
  release: () => undefined,
  bulkWrite: later,
  clearSpan: later,
  approximateBytes: later,
  twoPhase,
};
