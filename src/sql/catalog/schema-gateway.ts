// A node's side of schema leases: it knows all descriptors, and may use them as long as its lease lasts. The lease is
// asked for again and again; when the home moves, what is known goes on being used under the lease of the old one while
// all descriptors are read anew for the new one. When the lease ends first, all that is open here is aborted, as the
// home then goes on without this node.

import { DbError } from '../../base/errors.ts';
import type { IntervalClock } from '../../clock/interval-clock.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import type { Log, Random, Time, Timers } from '../../runtime/runtime.ts';
import type { Fence } from '../../txn/fence.ts';
import type { TableDescriptor } from './descriptor.ts';
import { isPassing } from './errors.ts';
import { LEASE_WAIT_MICROS } from './lease.ts';
import {
  gatewayLeaseMicros,
  type HomeLink,
  SCHEMA_LEASE_MICROS,
  SCHEMA_RENEW_MICROS,
  type SchemaHomes,
} from './schema-links.ts';
import type { TableMark, ToGateway } from './schema-messages.ts';
import { SchemaRequests } from './schema-requests.ts';
import type { DescriptorStore } from './store.ts';

const RETRY_MICROS = 100_000;
/** For so long a home is waited for that does not answer whoever opens a link; twice as long each time in a row. Who was
 * the home may stand still while another node is by now. */
const OPENING_MICROS_MIN = 500_000;
const OPENING_MICROS_MAX = 4_000_000;
const NEVER = Number.NEGATIVE_INFINITY;

export interface SchemaGatewayParts {
  readonly homes: SchemaHomes;
  readonly store: DescriptorStore;
  /** All descriptors as of now. */
  readonly load: () => Promise<readonly TableDescriptor[]>;
  readonly clock: Pick<IntervalClock, 'earliest' | 'suspended'>;
  readonly time: Pick<Time, 'monotonicMicros'>;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  /** The lease is there, and what is known may be used. */
  onServing(): void;
  /** It has ended: nothing that is open may go on. */
  onCeased(): void;
  /** The catalog can't be read. */
  readonly onFailure: (error: unknown) => void;
  readonly leaseMicros?: number;
}

export class SchemaGateway implements Fence {
  end: Timestamp = MIN_TIMESTAMP;
  readonly requests: SchemaRequests;
  readonly #parts: SchemaGatewayParts;
  readonly #leaseMicros: number;
  readonly #incarnation: number;
  #monotonicEnd = NEVER;
  /** What was granted, whether or not it may be used yet. */
  #granted: { readonly monotonicEnd: number; readonly end: Timestamp } | undefined;
  #isServing = false;
  #link: HomeLink | undefined;
  /** Counts attempts to have a link: what belongs to an earlier one is not looked at. */
  #attempt = 0;
  #openingMicros = OPENING_MICROS_MIN;
  #home = 0;
  #stint = 0;
  #isLoaded = false;
  #isWelcome = false;
  /** Renewals since the last one that was answered. */
  #unanswered = 0;
  #marks = new Map<number, TableMark>();
  /** Tables that were marked when the last link broke: they stay so until all is read anew. */
  #lingering = new Set<number>();
  /** What came while descriptors were read. */
  #early: Extract<ToGateway, { kind: 'change' }>[] = [];
  #loadedWaiting: (() => void)[] = [];
  #renewal: Disposable | undefined;
  #lapse: Disposable | undefined;
  #retry: Disposable | undefined;
  #stopped = false;

  constructor(parts: SchemaGatewayParts) {
    this.#parts = parts;
    const { store, timers, log } = parts;
    this.requests = new SchemaRequests({
      store,
      timers,
      log,
      send: (message) => {
        if (this.#isWelcome) this.#link?.send(message);
      },
      whenLoaded: () => this.#whenLoaded(),
    });
    this.#leaseMicros = gatewayLeaseMicros(parts.leaseMicros ?? SCHEMA_LEASE_MICROS);
    this.#incarnation = 1 + parts.random.uint32();
  }

  /** Of the home that it reports to. */
  get stint(): number {
    return this.#stint;
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  start(): void {
    if (this.#attempt === 0) this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#attempt++;
    this.#link?.close();
    this.#link = undefined;
    for (const timer of [this.#renewal, this.#lapse, this.#retry]) timer?.[Symbol.dispose]();
    this.requests.stop();
    this.#wakeWaiting();
  }

  /** Where the home is may be another node now: who has no link tries at once. */
  homeMoved(): void {
    if (this.#stopped || this.#attempt === 0 || this.#link !== undefined) return;
    this.#connect();
  }

  // The lease

  demand(t: Timestamp): void {
    if (this.isHeld() && t < this.end) return;
    throw new DbError('57P03', 'this node has no lease on the schema now', {
      hint: 'Try again in a moment, or at another node.',
    });
  }

  /** By the monotonic clock: what was asked before it ran out and came after is not to be used. */
  isHeld(): boolean {
    if (!this.#isServing) return false;
    const { time } = this.#parts;
    if (time.monotonicMicros() < this.#monotonicEnd) return true;
    // This node was busy for long, not cut off.
    if (this.#link?.isLocal === true) this.#renew();
    if (time.monotonicMicros() < this.#monotonicEnd) return true;
    this.#cease();
    return false;
  }

  #renew(): void {
    const { clock, time } = this.#parts;
    // P7: its timestamps are worth nothing to others.
    if (clock.suspended !== undefined && this.#link?.isLocal !== true) return;
    const monotonicMicros = time.monotonicMicros();
    this.#link?.send({ kind: 'renew', monotonicMicros, earliest: clock.earliest() });
  }

  #renewLater(): void {
    this.#renewal?.[Symbol.dispose]();
    this.#renewal = this.#parts.timers.after(SCHEMA_RENEW_MICROS, () => {
      this.#renewal = undefined;
      if (this.#link === undefined) return;
      if (this.#unanswered >= 2) {
        this.#broken('the home does not answer');
        return;
      }
      this.#unanswered++;
      this.#renew();
      if (this.#link !== undefined) this.#renewLater();
    });
  }

  #grantedUntil(monotonicMicros: number, earliest: Timestamp): void {
    this.#unanswered = 0;
    const monotonicEnd = monotonicMicros + this.#leaseMicros;
    const end = (earliest + this.#leaseMicros) as Timestamp;
    const before = this.#granted;
    this.#granted = {
      monotonicEnd: Math.max(monotonicEnd, before?.monotonicEnd ?? NEVER),
      end: Math.max(end, before?.end ?? MIN_TIMESTAMP) as Timestamp,
    };
    if (this.#isServing) this.#extend(this.#granted);
    else this.#serve();
  }

  #extend(granted: { readonly monotonicEnd: number; readonly end: Timestamp }): void {
    this.#monotonicEnd = granted.monotonicEnd;
    this.end = granted.end;
    if (this.#lapse === undefined) this.#lapseLater();
  }

  #lapseLater(): void {
    const { time, timers } = this.#parts;
    const micros = Math.max(0, this.#monotonicEnd - time.monotonicMicros());
    this.#lapse = timers.after(micros, () => {
      this.#lapse = undefined;
      if (this.isHeld()) this.#lapseLater();
    });
  }

  #serve(): void {
    const granted = this.#granted;
    if (this.#isServing || !this.#isLoaded || granted === undefined || this.#stopped) return;
    if (this.#parts.time.monotonicMicros() >= granted.monotonicEnd) return;
    this.#isServing = true;
    this.#extend(granted);
    this.#parts.onServing();
  }

  #cease(): void {
    this.#lapsed();
    if (this.#link !== undefined) this.#broken('the lease has run out');
  }

  #lapsed(): void {
    this.#isServing = false;
    this.end = MIN_TIMESTAMP;
    this.#monotonicEnd = NEVER;
    this.#granted = undefined;
    this.#lapse?.[Symbol.dispose]();
    this.#lapse = undefined;
    this.#parts.log.warn('the lease on the schema has run out: what is open is aborted');
    // The home has gone on without it: what it knows must be read anew before it is used.
    this.#isLoaded = false;
    this.#parts.onCeased();
    this.#parts.store.releaseUsers();
    this.requests.loseAll();
  }

  // The link

  #connect(): void {
    this.#retry?.[Symbol.dispose]();
    this.#retry = this.#parts.timers.after(this.#openingMicros, () => {
      this.#openingMicros = Math.min(2 * this.#openingMicros, OPENING_MICROS_MAX);
      this.#connect();
    });
    const attempt = ++this.#attempt;
    const isCurrent = (): boolean => attempt === this.#attempt;
    this.#isWelcome = false;
    /** Until the link is there. */
    const early: ToGateway[] = [];
    this.#parts.homes
      .open(this.#incarnation, {
        message: (message) => {
          if (!isCurrent()) return;
          if (this.#link === undefined) early.push(message);
          else this.#message(message);
        },
        broken: (reason) => {
          if (isCurrent()) this.#broken(reason);
        },
      })
      .then(
        (link) => {
          if (!isCurrent()) {
            link.close();
            return;
          }
          this.#link = link;
          this.#retry?.[Symbol.dispose]();
          this.#retry = undefined;
          this.#openingMicros = OPENING_MICROS_MIN;
          this.#unanswered = 0;
          this.#renewLater();
          for (const message of early) if (isCurrent()) this.#message(message);
        },
        () => {
          if (isCurrent()) this.#connectLater();
        },
      );
  }

  #connectLater(): void {
    this.#attempt++;
    this.#retry?.[Symbol.dispose]();
    this.#retry = this.#parts.timers.after(RETRY_MICROS, () => this.#connect());
  }

  #broken(reason: string): void {
    if (this.#isWelcome) this.#parts.log.info('the link to the schema home is gone', { reason });
    const link = this.#link;
    this.#link = undefined;
    this.#isLoaded = false;
    this.#renewal?.[Symbol.dispose]();
    this.#renewal = undefined;
    link?.close();
    for (const { table } of this.#marks.values()) this.#lingering.add(table);
    this.#marks.clear();
    this.#early = [];
    this.requests.homeLost();
    this.#connectLater();
  }

  #message(message: ToGateway): void {
    switch (message.kind) {
      case 'welcome':
        this.#welcome(message);
        return;
      case 'granted':
        this.#grantedUntil(message.monotonicMicros, message.earliest);
        return;
      case 'mark':
        this.#mark(message);
        return;
      case 'exclusive':
        this.requests.granted(message.request);
        return;
      case 'refused':
        this.requests.refused(message.request, message.sessions);
        return;
      case 'change':
        if (this.#isLoaded) this.#adopt(message);
        else this.#early.push(message);
        return;
      case 'settled':
        this.requests.settled(message.number);
        return;
    }
  }

  #welcome(message: Extract<ToGateway, { kind: 'welcome' }>): void {
    // The home may have gone on without this node before it came back.
    const isLate = this.#parts.time.monotonicMicros() >= this.#monotonicEnd;
    if (this.#isServing && isLate) this.#lapsed();
    if (message.home !== this.#home) this.requests.loseAll();
    this.#home = message.home;
    this.#stint = message.stint;
    this.#isWelcome = true;
    for (const mark of message.marks) this.#mark(mark);
    this.#renew();
    this.requests.sayAgain();
    void this.#load(this.#attempt);
  }

  async #load(attempt: number): Promise<void> {
    const { store, load, log, timers, onFailure } = this.#parts;
    let tables: readonly TableDescriptor[];
    for (;;) {
      try {
        tables = await load();
        break;
      } catch (error) {
        if (attempt !== this.#attempt) return;
        if (!isPassing(error)) {
          onFailure(error);
          return;
        }
        log.warn('the catalog could not be loaded; trying again', { error: String(error) });
        await new Promise<void>((resolve) => void timers.after(RETRY_MICROS, resolve));
      }
    }
    if (attempt !== this.#attempt) return;
    store.replaceAll(tables);
    this.#isLoaded = true;
    const early = this.#early;
    this.#early = [];
    for (const change of early) this.#adopt(change);
    const marked = new Set([...this.#marks.values()].map(({ table }) => table));
    for (const table of this.#lingering) if (!marked.has(table)) store.unmark(table);
    this.#lingering.clear();
    this.#link?.send({ kind: 'loaded' });
    if (this.#granted === undefined || !this.#isServing) this.#renew();
    this.#serve();
    this.#wakeWaiting();
  }

  // Marks and changes

  #mark(mark: TableMark): void {
    const { store } = this.#parts;
    this.#marks.set(mark.mark, mark);
    const holder = this.requests.holderOf(mark.request);
    const attempt = this.#attempt;
    const drained = (): void => {
      if (attempt !== this.#attempt || !this.#marks.has(mark.mark)) return;
      this.#link?.send({ kind: 'drained', mark: mark.mark });
    };
    const users = store.mark(mark.table, holder, drained);
    if (users > 0) this.#link?.send({ kind: 'using', mark: mark.mark, sessions: users });
  }

  #adopt({ change, marks, changes }: Extract<ToGateway, { kind: 'change' }>): void {
    const { store } = this.#parts;
    for (const { table, descriptor } of changes) store.adopt(table, descriptor);
    for (const number of marks) {
      const mark = this.#marks.get(number);
      if (mark === undefined) continue;
      this.#marks.delete(number);
      store.unmark(mark.table);
    }
    if (changes.length > 0) store.bump();
    if (change !== 0) this.#link?.send({ kind: 'adopted', change });
  }

  #whenLoaded(): Promise<void> | undefined {
    if (this.#isLoaded && this.#link !== undefined) return undefined;
    return new Promise((resolve, reject) => {
      const deadline = this.#parts.timers.after(LEASE_WAIT_MICROS, () => {
        reject(new DbError('57P03', 'the schema can not be changed now: its home is not reached'));
      });
      this.#loadedWaiting.push(() => {
        deadline[Symbol.dispose]();
        if (this.#stopped) reject(new DbError('57P01', 'the node is stopping'));
        else resolve();
      });
    });
  }

  #wakeWaiting(): void {
    const waiting = this.#loadedWaiting;
    this.#loadedWaiting = [];
    for (const wake of waiting) wake();
  }
}
