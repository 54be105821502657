// Writes of many requests in one transaction: what arrives in one turn for one range becomes one entry of its log. Each
// request is atomic by itself, and so is their union; a key that comes again begins the next transaction.

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

/** For one range. */
class Gathering {
  readonly writes: Write[] = [];
  readonly answers: OnAnswer[] = [];
  readonly keys = new Set<string>();
  bytes = 0;

  takes(key: string, bytes: number): boolean {
    if (this.keys.has(key) || this.writes.length >= WRITES_MAX) return false;
    return this.bytes === 0 || this.bytes + bytes <= BYTES_MAX;
  }
}

export class GatheredWrites {
  private readonly transactions: BlindWrites;
  private readonly timers: Timers;
  private byRange = new Map<number, Gathering>();
  private isDue = false;

  constructor(transactions: BlindWrites, timers: Timers) {
    this.transactions = transactions;
    this.timers = timers;
  }

  /** `key` is a row key; both are taken over. */
  add(key: Uint8Array, value: Uint8Array | undefined, answer: OnAnswer): void {
    const text = keyText(key);
    const bytes = key.length + (value?.length ?? 0);
    const range = this.transactions.rangeOf(key);
    let gathering = this.byRange.get(range);
    if (gathering !== undefined && !gathering.takes(text, bytes)) {
      this.flush(gathering);
      gathering = undefined;
    }
    if (gathering === undefined) {
      gathering = new Gathering();
      this.byRange.set(range, gathering);
    }
    gathering.keys.add(text);
    gathering.writes.push({ key, value });
    gathering.answers.push(answer);
    gathering.bytes += bytes;
    if (this.isDue) return;
    this.isDue = true;
    this.timers.soon(this.flushDue);
  }

  private readonly flushDue = (): void => {
    this.isDue = false;
    const all = this.byRange;
    this.byRange = new Map();
    for (const gathering of all.values()) this.flush(gathering);
  };

  private flush({ writes, answers }: Gathering): void {
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
