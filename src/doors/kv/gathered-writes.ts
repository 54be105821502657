// Writes of many requests in one transaction: what arrives in one turn becomes one entry of the log. Each request is
// atomic by itself, and so is their union; a key that comes again begins the next transaction.

import type { Timers } from '../../runtime/runtime.ts';
import type { CommitAnswer, Write } from '../../ranges/api.ts';
import type { BlindWrites } from '../../txn/api.ts';

const WRITES_MAX = 512;
const BYTES_MAX = 1 << 20;

type OnAnswer = (answer: CommitAnswer) => void;

/** Latin-1 text of a key: what a Set can tell apart. */
function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

export class GatheredWrites {
  private readonly transactions: BlindWrites;
  private readonly timers: Timers;
  private writes: Write[] = [];
  private answers: OnAnswer[] = [];
  private keys = new Set<string>();
  private bytes = 0;
  private isDue = false;

  constructor(transactions: BlindWrites, timers: Timers) {
    this.transactions = transactions;
    this.timers = timers;
  }

  /** `key` is a row key; both are taken over. */
  add(key: Uint8Array, value: Uint8Array | undefined, answer: OnAnswer): void {
    const text = keyText(key);
    const size = key.length + (value?.length ?? 0);
    if (
      this.keys.has(text) ||
      this.writes.length >= WRITES_MAX ||
      (this.bytes > 0 && this.bytes + size > BYTES_MAX)
    ) {
      this.flush();
    }
    this.keys.add(text);
    this.writes.push({ key, value });
    this.answers.push(answer);
    this.bytes += size;
    if (this.isDue) return;
    this.isDue = true;
    this.timers.soon(this.flushDue);
  }

  private readonly flushDue = (): void => {
    this.isDue = false;
    this.flush();
  };

  private flush(): void {
    const { writes, answers } = this;
    if (writes.length === 0) return;
    this.writes = [];
    this.answers = [];
    this.keys.clear();
    this.bytes = 0;
    let outcome: Promise<CommitAnswer>;
    try {
      outcome = this.transactions.writeAll(writes);
    } catch (error) {
      tell(answers, refused(error));
      return;
    }
    outcome.then(
      (answer) => tell(answers, answer),
      (error: unknown) => tell(answers, refused(error)),
    );
  }
}

function tell(answers: readonly OnAnswer[], answer: CommitAnswer): void {
  for (const one of answers) one(answer);
}

function refused(error: unknown): CommitAnswer {
  return { kind: 'notServing', message: error instanceof Error ? error.message : String(error) };
}
