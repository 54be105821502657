// Proposals on their way into the log: what is refused, and with which words, before anything is appended. Everything
// that waits has a bound; at the bound proposers are told to come back (`busy`).

import { assert } from '../base/assert.ts';
import type { RaftGroup } from './group.ts';
import type { RaftLog } from './log/log.ts';
import { PAYLOAD_BYTES_MAX } from './log/record.ts';
import type { SchedulerOptions } from './options.ts';
import type { OnAnswer, ProposeAnswer } from './proposals.ts';

export interface IntakeParts {
  readonly log: RaftLog;
  readonly options: SchedulerOptions;
  /** Why nothing is taken any more. */
  stopped(): string | undefined;
  wakeUp(group: RaftGroup): void;
  enqueue(group: RaftGroup): void;
  failed(error: Error): void;
}

export const NOT_LEADING: ProposeAnswer = { kind: 'notLeader', leader: 0 };

export class Intake {
  private readonly parts: IntakeParts;
  /** Proposed, and not yet staged for a write. */
  private freshCount = 0;
  private freshBytes = 0;
  /** Of all proposals that wait for their commit. */
  private waitingBytes = 0;

  constructor(parts: IntakeParts) {
    this.parts = parts;
  }

  /** A round has staged everything that was proposed. */
  staged(): void {
    this.freshCount = 0;
    this.freshBytes = 0;
  }

  /** So many bytes of proposals have been answered. */
  readonly answered = (bytes: number): void => {
    this.waitingBytes -= bytes;
  };

  /** A record without an answer of its own will be staged. */
  noteFresh(): void {
    this.freshCount++;
  }

  /** As propose(), with a callback; refusals are told in this turn. `data` must not change any more. */
  submit(group: RaftGroup, data: Uint8Array, answer: OnAnswer): void {
    if (data.length > this.parts.log.ordinaryBytesMax) this.submitLarge(group, data, answer);
    else this.submitReserved(group, data, answer);
  }

  private submitLarge(group: RaftGroup, data: Uint8Array, answer: OnAnswer): void {
    if (data.length > PAYLOAD_BYTES_MAX) {
      const message = `a command of ${data.length} bytes is larger than ${PAYLOAD_BYTES_MAX}`;
      answer({ kind: 'tooLarge', message });
      return;
    }
    group.reserving++;
    this.parts.log.reserve(data.length).then(
      (isReserved) => {
        group.reserving--;
        if (isReserved) this.submitReserved(group, data, answer);
        else answer(diskFull());
      },
      (error: unknown) => {
        group.reserving--;
        this.parts.failed(error as Error);
        answer({ kind: 'unknown', message: (error as Error).message });
      },
    );
  }

  private submitReserved(group: RaftGroup, data: Uint8Array, answer: OnAnswer): void {
    const bytes = data.length;
    const refusal = this.refusal(group, bytes);
    if (refusal !== undefined) {
      answer(refusal);
      return;
    }
    if (group.wakefulness === 'asleep') this.parts.wakeUp(group);
    const index = group.core.propose(data);
    assert(index !== undefined, 'a leader that refuses nothing takes proposals');
    group.proposals.push(index, bytes, answer);
    this.freshCount++;
    this.freshBytes += bytes;
    this.waitingBytes += bytes;
    this.parts.enqueue(group);
  }

  refusal(group: RaftGroup, bytes: number): ProposeAnswer | undefined {
    const stopped = this.parts.stopped();
    if (stopped !== undefined) return { kind: 'unknown', message: stopped };
    if (group.isRemoved) return NOT_LEADING;
    switch (group.core.refusal(bytes)) {
      case undefined:
        break;
      case 'notLeader': {
        const { leader } = group;
        return leader === 0 ? NOT_LEADING : { kind: 'notLeader', leader };
      }
      case 'transferring':
        return { kind: 'busy', message: 'leadership is being handed over' };
      case 'busy':
        return busy();
    }
    const { groupProposalsMax, proposalBytesMax } = this.parts.options;
    const isFull =
      group.proposals.count >= groupProposalsMax ||
      (this.waitingBytes > 0 && this.waitingBytes + bytes > proposalBytesMax);
    if (isFull) return busy();
    return this.parts.log.hasRoom(this.freshCount + 1, this.freshBytes + bytes)
      ? undefined
      : diskFull();
  }
}

function diskFull(): ProposeAnswer {
  return { kind: 'diskFull', message: 'no space is left for the log' };
}

function busy(): ProposeAnswer {
  return { kind: 'busy', message: 'too many writes wait for the log' };
}
