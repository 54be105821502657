// A read-write transaction: strict two-phase locking by wound-wait, writes buffered here until commit (DESIGN.md
// section 8). The common one (one locked read that hits the row cache, one write, commit) makes a handful of objects.

import { DbError } from '../base/errors.ts';
import type { Maybe } from '../base/maybe.ts';
import type { IntervalClock } from '../clock/interval-clock.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import {
  type CommitAnswer,
  KEY_BYTES_MAX,
  type LockedGetAnswer,
  type LockedReadAnswer,
  type LockedScanAnswer,
  type LockRequest,
  type Ranges,
  type Refusal,
  type RowScan,
  type RowSlice,
  Standing,
  TRANSACTION_BYTES_MAX,
  type TxnRef,
  VALUE_BYTES_MAX,
  type Write,
  WRITE_OVERHEAD_BYTES,
} from '../ranges/api.ts';
import { LOCK_SHARED, type LockOptions, type ScanSpec, type Transaction } from './api.ts';
import { OverlayScan, type RunProgram } from './overlay-scan.ts';
import { commitError, refusalError } from './refusals.ts';
import { SkipLockedScan } from './skip-locked-scan.ts';
import { TransactionTimes } from './times.ts';
import type { TransactionSettings } from './settings.ts';
import { WriteBuffer } from './write-buffer.ts';

/** What transactions of one node share. */
export interface TransactionHome {
  readonly clock: IntervalClock;
  readonly ranges: Ranges;
  readonly runProgram: RunProgram;
  readonly settings: TransactionSettings;
  /** now().latest; throws DbError when nothing may be read there. */
  present(): Timestamp;
  /** Latest timestamp that a commit may get from now on. */
  commitDeadline(): Timestamp;
  /** Of several ranges. */
  commitInParts(
    txn: TxnRef,
    standing: Standing,
    writes: readonly Write[],
    deadline: Timestamp,
  ): Promise<CommitAnswer>;
  confirmInParts(txn: TxnRef, standing: Standing, s: Timestamp): Promise<CommitAnswer>;
  monotonicMicros(): number;
  /** The transaction has ended; told once. */
  forget(transaction: ReadWriteTransaction): void;
}

/** Used again for every locked read of its transaction. */
class ReusedRequest implements LockRequest {
  readonly txn: TxnRef;
  readonly standing: Standing = new Standing();
  mode: LockOptions['mode'] = 'shared';
  wait: LockOptions['wait'] = 'block';
  timeoutMicros: number;

  constructor(txn: TxnRef, timeoutMicros: number) {
    this.txn = txn;
    this.timeoutMicros = timeoutMicros;
  }
}

type Values = readonly (Uint8Array | undefined)[];
type State = 'open' | 'committing' | 'ended';

export class ReadWriteTransaction implements Transaction, TxnRef {
  readonly id: string;
  aborted: DbError | undefined = undefined;
  /** When it began, in ticks of its home's sweeper. */
  readonly beganAtTick: number;
  /** Its home's: among the open ones. */
  place = -1;
  private readonly home: TransactionHome;
  private state: State = 'open';
  private knownAge: Timestamp | undefined;
  private readonly request: ReusedRequest;
  private buffer: WriteBuffer | undefined = undefined;
  private times: TransactionTimes | undefined = undefined;
  /** Whether ranges may hold something for it. */
  private isKnownToRanges = false;

  constructor(home: TransactionHome, id: string, age: Timestamp | undefined, tick: number) {
    this.home = home;
    this.id = id;
    this.knownAge = age;
    this.beganAtTick = tick;
    this.request = new ReusedRequest(this, home.settings.lockTimeoutMicros);
  }

  get lockTimeoutMicros(): number {
    return this.request.timeoutMicros;
  }

  set lockTimeoutMicros(micros: number) {
    const longest = this.home.settings.lockTimeoutMicros;
    this.request.timeoutMicros = micros > 0 && micros < longest ? micros : longest;
  }

  /** Decided by its first lock: before that it is in nobody's way. */
  get age(): Timestamp {
    this.knownAge ??= this.home.clock.latest();
    return this.knownAge;
  }

  read(key: Uint8Array, into: RowSlice): Maybe<true> {
    return this.readLocked(key, into, LOCK_SHARED);
  }

  getMany(keys: readonly Uint8Array[]): Maybe<Values> {
    return this.getManyLocked(keys, LOCK_SHARED);
  }

  scan(spec: ScanSpec): Maybe<RowScan> {
    return this.scanLocked(spec, LOCK_SHARED);
  }

  readLocked(key: Uint8Array, into: RowSlice, lock: LockOptions): Maybe<true> {
    this.demandOpen();
    const own = this.buffer?.find(key);
    if (own !== undefined) {
      fromOwn(own, into);
      return true;
    }
    const { request } = this;
    request.mode = lock.mode;
    request.wait = lock.wait;
    this.isKnownToRanges = true;
    const answer = this.home.ranges.lockedRead(request, key, into);
    return answer instanceof Promise
      ? this.timed(answer).then((a) => this.gotRow(a))
      : this.gotRow(answer);
  }

  getManyLocked(keys: readonly Uint8Array[], lock: LockOptions): Maybe<Values> {
    this.demandOpen();
    const { buffer } = this;
    if (buffer === undefined || buffer.writes.length === 0) return this.getStored(keys, lock);
    const values = new Array<Uint8Array | undefined>(keys.length);
    const stored: number[] = [];
    for (let i = 0; i < keys.length; i++) {
      const own = buffer.find(keys[i] as Uint8Array);
      if (own === undefined) stored.push(i);
      else values[i] = own.value;
    }
    if (stored.length === 0) return values;
    const rest = this.getStored(
      stored.map((i) => keys[i] as Uint8Array),
      lock,
    );
    return rest instanceof Promise
      ? rest.then((got) => placed(values, stored, got))
      : placed(values, stored, rest);
  }

  scanLocked(spec: ScanSpec, lock: LockOptions): Maybe<RowScan> {
    this.demandOpen();
    const own = this.buffer?.within(spec.span, spec.reverse) ?? [];
    const skips = lock.wait === 'skip';
    if (own.length === 0 && !skips) return this.scanStored(spec, lock);
    const { program, parameters, limitRows } = spec;
    const whole: ScanSpec = { ...spec, program: undefined, parameters: undefined, limitRows: 0 };
    const merge = (stored: RowScan): RowScan => {
      const run = this.home.runProgram(program, parameters, limitRows);
      return new OverlayScan(stored, own, spec.reverse, run);
    };
    const stored = skips ? this.scanSkipping(spec, whole, lock) : this.scanStored(whole, lock);
    return stored instanceof Promise ? stored.then(merge) : merge(stored);
  }

  private scanSkipping(spec: ScanSpec, whole: ScanSpec, lock: LockOptions): RowScan {
    const { home } = this;
    return new SkipLockedScan({
      stored: home.ranges.scanAt(whole, home.present()),
      probe: home.runProgram(spec.program, spec.parameters, 0),
      limitRows: spec.limitRows,
      lock: (keys) => this.getStored(keys, lock),
    });
  }

  put(key: Uint8Array, value: Uint8Array): void {
    if (value.length > VALUE_BYTES_MAX) {
      throw tooLarge(`a row has ${value.length} bytes; at most ${VALUE_BYTES_MAX} are allowed`);
    }
    this.write(key, value, value.length);
  }

  delete(key: Uint8Array): void {
    this.write(key, undefined, 0);
  }

  savepoint(): number {
    this.demandOpen();
    this.buffer ??= new WriteBuffer();
    return this.buffer.savepoint();
  }

  rollbackTo(savepoint: number): void {
    this.demandOpen();
    this.buffer ??= new WriteBuffer();
    this.buffer.rollbackTo(savepoint);
  }

  measure(): TransactionTimes {
    const times = new TransactionTimes();
    this.times = times;
    return times;
  }

  commit(): Promise<Timestamp> {
    const { times } = this;
    return times === undefined ? this.commitNow() : this.commitTimed(times);
  }

  private async commitTimed(times: TransactionTimes): Promise<Timestamp> {
    const began = this.home.monotonicMicros();
    times.timestamp = await this.commitNow();
    times.commit = this.home.monotonicMicros() - began;
    return times.timestamp;
  }

  private commitNow(): Promise<Timestamp> {
    // Not an async function: on the path of every write that costs as much as all it does (bench: point, INSERT).
    if (this.state !== 'open') return Promise.reject(this.whyOver());
    const writes = this.buffer?.writes;
    const { home } = this;
    try {
      if (writes === undefined || writes.length === 0) {
        const present = home.present();
        const { standing } = this.request;
        if (standing.more !== undefined) {
          this.state = 'committing';
          return this.inParts(home.confirmInParts(this, standing, present)); // P17
        }
        // P17 with one range: every read was made under a live session, so at the last of them all locks were held.
        this.end();
        return Promise.resolve(present);
      }
      return this.commitWrites(writes, home.commitDeadline());
    } catch (error) {
      this.abort(error as DbError);
      return Promise.reject(error as DbError);
    }
  }

  private commitWrites(writes: readonly Write[], deadline: Timestamp): Promise<Timestamp> {
    const { ranges } = this.home;
    this.state = 'committing';
    const { standing } = this.request;
    const answered = ranges.commit({ txn: this, standing, writes, deadline });
    return answered.then((answer) =>
      answer.kind === 'divided'
        ? this.inParts(this.home.commitInParts(this, standing, writes, deadline))
        : this.decided(answer),
    );
  }

  private inParts(answered: Promise<CommitAnswer>): Promise<Timestamp> {
    if (this.times !== undefined) this.times.isDivided = true;
    return answered.then(
      (answer) => this.decided(answer),
      (error: unknown) => {
        this.aborted = error as DbError;
        this.end();
        throw error;
      },
    );
  }

  rollback(): void {
    if (this.state === 'committing') {
      // A commit that still waits for locks is given up; one that was proposed takes its course.
      this.home.ranges.release(this, this.request.standing);
    } else {
      this.end();
    }
  }

  /** From outside, under way: it took too long. */
  abort(error: DbError): void {
    if (this.state !== 'open') return;
    this.aborted = error;
    this.end();
  }

  private write(key: Uint8Array, value: Uint8Array | undefined, valueBytes: number): void {
    this.demandOpen();
    if (key.length > KEY_BYTES_MAX) {
      throw tooLarge(`a key has ${key.length} bytes; at most ${KEY_BYTES_MAX} are allowed`);
    }
    this.buffer ??= new WriteBuffer();
    const bytes = this.buffer.bytes + key.length + valueBytes + WRITE_OVERHEAD_BYTES;
    if (bytes > TRANSACTION_BYTES_MAX) {
      throw tooLarge(
        `a transaction can't write more than ${TRANSACTION_BYTES_MAX} bytes`,
        'Divide the work into several transactions.',
      );
    }
    this.buffer.set(key, value);
  }

  private getStored(keys: readonly Uint8Array[], lock: LockOptions): Maybe<Values> {
    this.isKnownToRanges = true;
    // Written out: a spread here costs as much as the rest of the call (bench: point, INSERT).
    const answer = this.home.ranges.lockedGet({
      txn: this,
      standing: this.request.standing,
      mode: lock.mode,
      wait: lock.wait,
      timeoutMicros: this.request.timeoutMicros,
      keys,
    });
    return answer instanceof Promise
      ? this.timed(answer).then((a) => this.gotRows(a))
      : this.gotRows(answer);
  }

  private scanStored(spec: ScanSpec, lock: LockOptions): Maybe<RowScan> {
    this.isKnownToRanges = true;
    const answer = this.home.ranges.lockedScan({ ...spec, ...this.lockRequest(lock) });
    return answer instanceof Promise
      ? this.timed(answer).then((a) => this.gotScan(a))
      : this.gotScan(answer);
  }

  private timed<T>(answer: Promise<T>): Promise<T> {
    const { times, home } = this;
    if (times === undefined) return answer;
    const began = home.monotonicMicros();
    return answer.finally(() => {
      times.locks += home.monotonicMicros() - began;
      times.lockedReads++;
    });
  }

  private lockRequest(lock: LockOptions): LockRequest {
    return {
      txn: this,
      standing: this.request.standing,
      mode: lock.mode,
      wait: lock.wait,
      timeoutMicros: this.request.timeoutMicros,
    };
  }

  private gotRow(answer: LockedReadAnswer): true {
    if (answer.kind !== 'row') throw this.refused(answer);
    return true;
  }

  private gotRows(answer: LockedGetAnswer): Values {
    if (answer.kind !== 'rows') throw this.refused(answer);
    return answer.rows;
  }

  private gotScan(answer: LockedScanAnswer): RowScan {
    if (answer.kind !== 'scan') throw this.refused(answer);
    return answer.scan;
  }

  private refused(refusal: Refusal): DbError {
    const error = refusalError(refusal);
    switch (refusal.kind) {
      case 'wounded':
      case 'sessionGone':
      case 'notServing':
        return this.lost(error);
      case 'lockNotAvailable':
      case 'lockTimeout':
      case 'diskFull':
      case 'tooLarge':
        return error;
    }
  }

  private lost(error: DbError): DbError {
    if (this.state === 'open') {
      this.aborted = error;
      this.end();
    }
    return this.aborted ?? error;
  }

  private decided(answer: CommitAnswer): Timestamp {
    // Where nothing is left of it nobody need hear of its end.
    this.isKnownToRanges &&= answer.kind !== 'committed';
    if (this.request.standing.visited !== undefined) this.isKnownToRanges = true;
    if (answer.kind === 'committed') {
      const { times } = this;
      if (times !== undefined && answer.times !== undefined) {
        times.replication = answer.times.replication;
        times.commitWait = answer.times.wait;
      }
      this.end();
      return answer.timestamp;
    }
    this.aborted = commitError(answer);
    this.end();
    throw this.aborted;
  }

  private end(): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.buffer = undefined;
    this.home.forget(this);
    if (this.isKnownToRanges) this.home.ranges.release(this, this.request.standing);
  }

  private demandOpen(): void {
    if (this.state !== 'open') throw this.whyOver();
  }

  private whyOver(): DbError {
    return this.aborted ?? new DbError('25P01', 'the transaction has ended already');
  }
}

function fromOwn(write: Write, into: RowSlice): void {
  into.timestamp = MIN_TIMESTAMP;
  if (write.value === undefined) {
    into.length = -1;
  } else {
    into.bytes = write.value;
    into.offset = 0;
    into.length = write.value.length;
  }
}

function placed(
  values: (Uint8Array | undefined)[],
  places: readonly number[],
  got: Values,
): Values {
  for (let i = 0; i < places.length; i++) values[places[i] as number] = got[i];
  return values;
}

function tooLarge(message: string, hint?: string): DbError {
  return new DbError('54000', message, hint === undefined ? {} : { hint });
}
