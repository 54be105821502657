// Now and then the replicas of each range that this node leads are compared: one range after the other, so that all have
// had their turn once in the time that is set.

import { DbError } from '../../base/errors.ts';
import type { Log, NodeId, Timers } from '../../runtime/runtime.ts';
import type { RangeId } from '../../storage/shard.ts';
import type { ConsistencyAnswer, RangeStatus } from '../status.ts';
import type { RangeHost } from './range-host.ts';

/** However many ranges there are. */
const PAUSE_MICROS_MIN = 1_000_000;

export interface CheckedRange {
  readonly range: RangeId;
  status(): RangeStatus;
  check(): Promise<ConsistencyAnswer>;
}

export class ConsistencyChecks {
  readonly #ranges: () => Iterable<CheckedRange>;
  readonly #timers: Timers;
  readonly #log: Log;
  readonly #micros: number;
  /** Ranges that have yet to have their turn. */
  #left: CheckedRange[] = [];
  #timer: Disposable | undefined;
  #stopped = false;

  /** `micros` 0: never. */
  constructor(ranges: () => Iterable<CheckedRange>, timers: Timers, log: Log, micros: number) {
    this.#ranges = ranges;
    this.#timers = timers;
    this.#log = log;
    this.#micros = micros;
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
  }

  #schedule(): void {
    if (this.#stopped || this.#micros === 0) return;
    if (this.#left.length === 0) this.#left = [...this.#ranges()].filter(isWorthIt);
    const pause = Math.floor(this.#micros / Math.max(1, this.#left.length));
    this.#timer = this.#timers.after(Math.max(PAUSE_MICROS_MIN, pause), () => {
      void this.#look().finally(() => this.#schedule());
    });
  }

  async #look(): Promise<void> {
    if (this.#left.length === 0) this.#left = [...this.#ranges()].filter(isWorthIt);
    const one = this.#left.shift();
    if (one === undefined || !isWorthIt(one)) return;
    const { range } = one;
    try {
      const answer = await one.check();
      if (answer.kind === 'undecided') {
        this.#log.warn('the replicas could not be compared', { range, reason: answer.reason });
      }
    } catch (error) {
      this.#log.warn('the replicas could not be compared', { range, error: String(error) });
    }
  }
}

function isWorthIt(one: CheckedRange): boolean {
  const { role, followers, isLeaseHeld } = one.status();
  return role === 'leader' && isLeaseHeld && followers.length > 0;
}

/** Of those that this node leads, one after the other: the first that is not as it should be, or all. */
export async function compareLed(
  hosts: readonly RangeHost[],
  nodeId: NodeId,
): Promise<ConsistencyAnswer> {
  const led = hosts.filter(({ group }) => group.isLeader);
  if (led.length === 0) {
    throw new DbError('57P03', `node ${nodeId} leads no range that is to be compared`, {
      hint: 'Ask the node that leads.',
    });
  }
  let replicas = Number.POSITIVE_INFINITY;
  let rows = 0;
  for (const host of led) {
    const answer = await host.check();
    if (answer.kind !== 'consistent') return answer;
    replicas = Math.min(replicas, answer.replicas);
    rows += answer.rows;
  }
  return { kind: 'consistent', replicas, rows };
}
