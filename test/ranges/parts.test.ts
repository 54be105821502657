import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashBytes, utf8 } from '../../src/base/bytes.ts';
import { type Timestamp, timestamp } from '../../src/clock/timestamp.ts';
import type { Write } from '../../src/ranges/api.ts';
import { ApplyPump } from '../../src/ranges/apply-pump.ts';
import { CommandEncoder, commandTimestamp, commandTxn } from '../../src/ranges/command.ts';
import { type InFlight, InFlightWrites } from '../../src/ranges/commit/in-flight.ts';
import { RecentTransactions } from '../../src/ranges/commit/recent-transactions.ts';
import { parseTxnId } from '../../src/ranges/txn-id.ts';
import type { Timers } from '../../src/runtime/runtime.ts';
import {
  COMMAND_CLEAR,
  COMMAND_WRITES,
  CommandReader,
  WRITE_DELETE,
  WRITE_NEW,
} from '../../src/storage/command-format.ts';
import type { Shard } from '../../src/storage/shard.ts';
import { put, remove } from './fixture.ts';

const times = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map(timestamp);
const ids = fc
  .array(fc.nat(0xffffffff), { minLength: 4, maxLength: 4 })
  .map((words) => words.map((word) => word.toString(16).padStart(8, '0')).join(''));
const bytes = fc.uint8Array({ maxLength: 40 });

describe('commands', () => {
  it('are read by the shard as they were written', () => {
    const encoder = new CommandEncoder();
    const write = fc.record<Write>({ key: bytes, value: fc.option(bytes, { nil: undefined }) });
    fc.assert(
      fc.property(times, ids, times, fc.array(write), (at, id, deadline, writes) => {
        const words = new Uint32Array(4);
        parseTxnId(id, words);
        const command = encoder.writes(at, words, deadline, writes, (i) => i % 2 === 0);
        const reader = new CommandReader();
        reader.start(command);
        expect(reader.kind).toBe(COMMAND_WRITES);
        expect([reader.timestamp, reader.deadline]).toEqual([at, deadline]);
        expect(Buffer.from(reader.txnId).toString('hex')).toBe(id);
        const found: Write[] = [];
        const marks: boolean[] = [];
        while (reader.nextWrite()) {
          const from = reader.reader.bytes;
          found.push({
            key: from.slice(reader.keyStart, reader.keyEnd),
            value:
              reader.op === WRITE_DELETE
                ? undefined
                : from.slice(reader.valueStart, reader.valueEnd),
          });
          marks.push(reader.op === WRITE_NEW);
        }
        expect(found).toEqual(writes);
        expect(marks).toEqual(writes.map((w, i) => w.value !== undefined && i % 2 === 0));

        const again = new Uint32Array(4);
        expect(commandTimestamp(command)).toBe(at);
        expect(commandTxn(command, again)).toBe(deadline);
        expect(again).toEqual(words);
      }),
    );
  });

  it('clear a span, to the end of the keyspace too', () => {
    const encoder = new CommandEncoder();
    for (const end of [utf8('b'), undefined]) {
      const reader = new CommandReader();
      const command = encoder.clearSpan(timestamp(5), { start: utf8('a'), end });
      reader.start(command);
      expect([reader.kind, reader.timestamp]).toEqual([COMMAND_CLEAR, 5]);
      expect(reader.clearedSpan()).toEqual({ start: utf8('a'), end });
      expect(commandTxn(command, new Uint32Array(4))).toBeUndefined();
    }
  });
});

describe('writes in flight', () => {
  function proposal(at: number, ...writes: Write[]): InFlight {
    const hashes = writes.map(({ key }) => hashBytes(key));
    return { timestamp: timestamp(at), writes, hashes, waiters: undefined };
  }

  it('block reads of their keys and spans at or above their time', async () => {
    const writes = new InFlightWrites();
    const first = proposal(10, put('b', '1'), remove('d'));
    writes.add(first);
    const blocked = (key: string, t: number): boolean =>
      writes.blockingKey(utf8(key), hashBytes(utf8(key)), timestamp(t)) === first;
    expect([blocked('b', 10), blocked('d', 11), blocked('b', 9), blocked('c', 10)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    const spanBlocked = (start: string, end: string | undefined, t: number): boolean => {
      const span = { start: utf8(start), end: end === undefined ? undefined : utf8(end) };
      return writes.blockingSpan(span, timestamp(t)) === first;
    };
    expect(spanBlocked('a', 'b', 10)).toBe(false);
    expect(spanBlocked('a', 'c', 10)).toBe(true);
    expect(spanBlocked('a', 'c', 9)).toBe(false);
    expect(spanBlocked('c', undefined, 10)).toBe(true);
    expect(spanBlocked('e', undefined, 10)).toBe(false);

    const woken = writes.wait(first);
    writes.remove(first);
    await woken;
    expect([blocked('b', 10), writes.mayTouch(hashBytes(utf8('b'))), writes.size]).toEqual([
      false,
      false,
      0,
    ]);
  });

  it('are found by timestamp, in whatever order they end', () => {
    const writes = new InFlightWrites();
    const [a, b, c] = [
      proposal(1, put('a', '1')),
      proposal(2, put('a', '2')),
      proposal(3, put('b', '3')),
    ];
    for (const one of [a, b, c]) writes.add(one);
    writes.remove(b);
    expect([1, 2, 3].map((t) => writes.find(timestamp(t)))).toEqual([a, undefined, c]);
  });
});

describe('recent transactions (P20)', () => {
  const clockAt = (t: number) => ({ earliest: (): Timestamp => timestamp(t) });

  it('are remembered until their deadline has passed, and not for ever', () => {
    const recent = new RecentTransactions(1_000_000);
    const id = (n: number): Uint32Array => Uint32Array.of(1, 2, 3, n);
    const deadlineOf = (n: number): number => 1000 + n;
    let forgotten = 0;
    for (let n = 0; n < 20_000; n++) {
      recent.hasRoom(clockAt(n));
      recent.add(id(n), timestamp(n + 1), timestamp(deadlineOf(n)));
      const oldest = Math.max(0, n - 999);
      if (recent.find(id(oldest)) !== oldest + 1) forgotten++;
    }
    expect(forgotten).toBe(0);
    expect(recent.size).toBeLessThan(5_000);
    expect(recent.find(id(0))).toBeUndefined();
    expect(recent.find(id(20_000))).toBeUndefined();
  });

  it('refuse more than there is room for, until deadlines pass', () => {
    const recent = new RecentTransactions(600);
    for (let n = 0; n < 600; n++)
      recent.add(Uint32Array.of(n, 0, 0, 0), timestamp(1), timestamp(9));
    expect(recent.hasRoom(clockAt(5))).toBe(false);
    expect(recent.hasRoom(clockAt(9))).toBe(false);
    expect(recent.hasRoom(clockAt(10))).toBe(true);
  });
});

describe('the apply pump', () => {
  function pumpOver(): {
    pump: ApplyPump;
    posted: number[];
    finish: () => void;
    /** Its gathering is over. */
    wait: () => void;
    failures: unknown[];
  } {
    const posted: number[] = [];
    const pending: (() => void)[] = [];
    const waits: (() => void)[] = [];
    const failures: unknown[] = [];
    const shard: Pick<Shard, 'apply'> = {
      apply: (_range, _entries, lastIndex) => {
        posted.push(lastIndex);
        return new Promise((resolve) => pending.push(resolve));
      },
    };
    const timers: Timers = {
      after: (_micros, run) => {
        waits.push(run);
        return {
          [Symbol.dispose]: () => {
            const at = waits.indexOf(run);
            if (at >= 0) waits.splice(at, 1);
          },
        };
      },
      soon: (run) => run(),
    };
    const pump = new ApplyPump(1, shard as Shard, timers, 0, (error) => failures.push(error));
    return {
      pump,
      posted,
      finish: () => pending.shift()?.(),
      wait: () => {
        for (const run of waits.splice(0)) run();
      },
      failures,
    };
  }

  const small = Uint8Array.of(1, 0);
  const much = new Uint8Array(256 * 1024);

  it('gathers what is little for a moment, and posts much at once', () => {
    const { pump, posted, wait } = pumpOver();
    for (let index = 1; index <= 3; index++) {
      pump.push(index, small);
      pump.pump();
    }
    expect(posted).toEqual([]);
    wait();
    expect(posted).toEqual([3]);

    const busy = pumpOver();
    busy.pump.push(1, much);
    busy.pump.pump();
    expect(busy.posted).toEqual([1]);
  });

  it('has one apply in flight and puts what comes meanwhile into the next', async () => {
    const { pump, posted, finish, wait } = pumpOver();
    for (let index = 1; index <= 3; index++) {
      pump.push(index, much);
      pump.pump();
      wait();
    }
    expect(posted).toEqual([1]);
    finish();
    await Promise.resolve();
    expect(posted).toEqual([1, 3]);
    expect(pump.appliedIndex).toBe(1);
  });

  it('posts the rest at once for a read that must see it', () => {
    const { pump, posted, wait } = pumpOver();
    pump.push(1, much);
    pump.pump();
    pump.push(2, small);
    pump.flush();
    pump.flush();
    wait();
    expect(posted).toEqual([1, 2]);
  });

  it('is full when too much is not applied, and says when there is room again', async () => {
    const { pump, finish } = pumpOver();
    const large = new Uint8Array(65 << 20);
    pump.push(1, large);
    pump.pump();
    expect(pump.isFull).toBe(false);
    pump.push(2, large);
    expect(pump.isFull).toBe(true);
    const room = pump.room();
    finish();
    await room;
    expect(pump.isFull).toBe(false);
  });
});
