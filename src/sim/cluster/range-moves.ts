// Somebody who changes ranges while everything else goes wrong: splits them at any key, one or several at once, merges
// neighbours, adds, promotes, exchanges and removes replicas, hands leases over, drains nodes. It asks whoever leads and
// does not know what becomes of it: the ranges have to cope.

import { DbError } from '../../base/errors.ts';
import type { RangeHost } from '../../node/ranges/range-host.ts';
import type { ReplicaStep } from '../../node/ranges/replica-steps.ts';
import { MIN_TIMESTAMP } from '../../clock/timestamp.ts';
import { membersOf } from '../../raft/configuration.ts';
import { nodeOf } from '../../raft/types.ts';
import { holdsKey } from '../../ranges/descriptor.ts';
import { FIRST_DATA_RANGE } from '../../ranges/layout.ts';
import type { SeededRandom } from '../random.ts';
import type { World } from '../world.ts';
import type { Cluster, Seat } from './cluster.ts';
import type { DatabaseNode } from './database-node.ts';
import { MOVE_KINDS, type MoveKind, type MovesPlan } from './ranges-plans.ts';

/** Fewer are not left. */
const VOTERS_MIN = 2;
/** More are not made. */
const RANGES_MAX = 24;
const BURST = 4;
const DRAINING_MICROS_MAX = 3_000_000;

export interface RangeMovesParts {
  readonly world: World;
  readonly cluster: Cluster<DatabaseNode>;
  readonly plan: MovesPlan;
  /** Any key of those that are used, or one between them. */
  readonly someKey: () => Uint8Array;
  /** A leader is being asked to hand over. */
  readonly onHandOver: (node: number) => void;
  readonly note: (kind: string) => void;
}

interface Led {
  readonly seat: Seat<DatabaseNode>;
  readonly host: RangeHost;
}

export class RangeMoves {
  readonly #parts: RangeMovesParts;
  readonly #random: SeededRandom;
  readonly #kinds: readonly MoveKind[];
  #period = 0;

  constructor(parts: RangeMovesParts) {
    this.#parts = parts;
    this.#random = parts.world.random.fork('moves');
    this.#kinds = MOVE_KINDS.flatMap((kind) =>
      new Array<MoveKind>(parts.plan.weights[kind]).fill(kind),
    );
  }

  begin(): void {
    if (this.#kinds.length > 0) this.#next();
  }

  /** Nothing more is begun; nodes take leases again. */
  pause(): void {
    this.#period += 1;
    for (const { database } of this.#parts.cluster.running) this.#undrain(database);
  }

  /** Of all ranges, as many as are led now. */
  async splitSome(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.#split();
  }

  #next(): void {
    const period = this.#period;
    const { world, plan } = this.#parts;
    world.after(this.#random.below(plan.everyMicrosMax), undefined, () => {
      if (this.#period !== period) return;
      this.#move(this.#kinds[this.#random.below(this.#kinds.length)] as MoveKind);
      this.#next();
    });
  }

  #move(kind: MoveKind): void {
    switch (kind) {
      case 'split':
        void this.#split();
        return;
      case 'burst':
        for (let i = 0; i < BURST; i++) void this.#split();
        return;
      case 'merge':
        void this.#on(this.#someLed(), kind, ({ host }) => host.merge());
        return;
      case 'grow':
      case 'promote':
      case 'shrink':
      case 'swap':
        void this.#on(this.#someLed(), kind, ({ host }) => this.#change(kind, host));
        return;
      case 'transfer':
        void this.#on(this.#someLed(), kind, (led) => this.#transfer(led));
        return;
      case 'scatter':
        for (const led of this.#led()) {
          if (this.#random.oneIn(2)) void this.#on(led, kind, () => this.#transfer(led));
        }
        return;
      case 'drain':
        this.#drain();
        return;
    }
  }

  async #split(): Promise<void> {
    const key = this.#parts.someKey();
    const led = this.#led();
    if (led.length >= RANGES_MAX) return;
    const found = led.find(({ host }) => holdsKey(host.descriptor, key));
    await this.#on(found, 'split', async ({ host }) => {
      await host.split({ at: key, stickyUntil: MIN_TIMESTAMP });
    });
  }

  async #change(kind: 'grow' | 'promote' | 'shrink' | 'swap', host: RangeHost): Promise<void> {
    const { voters, learners } = host.descriptor.configuration;
    const taken = membersOf(host.descriptor.configuration).map(nodeOf);
    const free = this.#parts.cluster.seats
      .map(({ machine }) => machine.node)
      .filter((node) => !taken.includes(node));
    const learner = this.#one(learners.map(nodeOf));
    const voter = this.#one(voters.map(nodeOf));
    const steps: ReplicaStep[] = [];
    if (kind === 'grow' || learner === undefined) {
      const node = this.#one(free);
      if (node !== undefined && kind !== 'shrink') steps.push({ kind: 'addLearner', node });
    } else if (kind === 'promote' || kind === 'swap') {
      steps.push({ kind: 'promote', node: learner });
    }
    if (kind === 'shrink' && learner !== undefined && this.#random.oneIn(2)) {
      steps.push({ kind: 'remove', node: learner });
    } else if (
      voter !== undefined &&
      (kind === 'shrink' || (kind === 'swap' && learner !== undefined)) &&
      voters.length + (kind === 'swap' ? 1 : 0) > VOTERS_MIN
    ) {
      steps.push({ kind: 'remove', node: voter });
    }
    if (steps.length > 0) await host.changeReplicas(steps);
  }

  async #transfer({ seat, host }: Led): Promise<void> {
    const to = this.#one(host.descriptor.configuration.voters.map(nodeOf));
    if (to === undefined || to === seat.machine.node) return;
    this.#parts.onHandOver(seat.machine.node);
    await host.transferTo(to);
  }

  #drain(): void {
    const node = this.#one(this.#parts.cluster.running);
    if (node === undefined) return;
    const { database } = node;
    this.#parts.note('drain');
    database.placement.drain(false, true).catch(() => undefined);
    this.#parts.world.after(this.#random.below(DRAINING_MICROS_MAX), undefined, () =>
      this.#undrain(database),
    );
  }

  #undrain(database: DatabaseNode['database']): void {
    if (database.placement.isDraining) database.placement.drain(true, true).catch(() => undefined);
  }

  /** Ranges that are served somewhere. */
  #led(): readonly Led[] {
    return this.#parts.cluster.seats.flatMap((seat) =>
      (seat.node?.database.ranges.all() ?? [])
        .filter(({ isServing }) => isServing)
        .map((host) => ({ seat, host })),
    );
  }

  /** Mostly one with data. */
  #someLed(): Led | undefined {
    const least = this.#random.oneIn(10) ? 0 : FIRST_DATA_RANGE;
    return this.#one(this.#led().filter(({ host }) => host.range >= least));
  }

  #one<T>(of: readonly T[]): T | undefined {
    return of.length === 0 ? undefined : of[this.#random.below(of.length)];
  }

  /** It may fail as a request may: with a DbError. */
  async #on(led: Led | undefined, kind: string, run: (led: Led) => Promise<void>): Promise<void> {
    if (led === undefined) return;
    const { life } = led.seat.machine;
    try {
      await run(led);
      this.#parts.note(kind);
    } catch (error) {
      if (error instanceof DbError) this.#parts.note(`${kind} failed`);
      else if (life?.alive === true) this.#parts.world.fail(error);
    }
  }
}
