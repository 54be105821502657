// What a core wants said, until the next Ready takes it.

import type { AppendAnswer, OutgoingMessage } from '../messages.ts';
import type { ReadState } from '../ready.ts';

const NO_MESSAGES: readonly OutgoingMessage[] = [];
const NO_READS: readonly ReadState[] = [];

export class Outbox {
  private now: OutgoingMessage[] = [];
  private afterSync: OutgoingMessage[] = [];
  private reads: ReadState[] = [];

  get isEmpty(): boolean {
    return this.now.length === 0 && this.afterSync.length === 0 && this.reads.length === 0;
  }

  /** True already. */
  send(message: OutgoingMessage): void {
    this.now.push(message);
  }

  /** True once what the next Ready writes is synced (P29). */
  sendAfterSync(message: OutgoingMessage): void {
    this.afterSync.push(message);
  }

  /** Of acknowledgements that leave together the last says all, if it has the latest stamp too. */
  acknowledge(answer: AppendAnswer): void {
    const { afterSync } = this;
    const last = afterSync[afterSync.length - 1];
    if (
      last?.kind === 'appendAnswer' &&
      !last.rejected &&
      last.to === answer.to &&
      last.term === answer.term &&
      last.index <= answer.index &&
      last.stamp <= answer.stamp
    ) {
      afterSync[afterSync.length - 1] = answer;
    } else {
      afterSync.push(answer);
    }
  }

  answerRead(context: number, index: number): void {
    this.reads.push({ context, index });
  }

  takeNow(): readonly OutgoingMessage[] {
    if (this.now.length === 0) return NO_MESSAGES;
    const taken = this.now;
    this.now = [];
    return taken;
  }

  takeAfterSync(): readonly OutgoingMessage[] {
    if (this.afterSync.length === 0) return NO_MESSAGES;
    const taken = this.afterSync;
    this.afterSync = [];
    return taken;
  }

  takeReads(): readonly ReadState[] {
    if (this.reads.length === 0) return NO_READS;
    const taken = this.reads;
    this.reads = [];
    return taken;
  }
}
