// What happens to a cluster: which faults, how often, and when each is over. Every plan is a mixture of its own, so that
// seeds differ in kind and not only in moments.

import type { SimNetwork } from '../network.ts';
import type { SeededRandom } from '../random.ts';
import type { SimClock } from '../sim-clock.ts';
import type { World } from '../world.ts';
import type { ClusterNode } from './cluster-node.ts';
import type { Cluster, Seat } from './cluster.ts';

const SECOND = 1_000_000;
/** A hand-over is over in about so long. */
const TRANSFER_MICROS = 6_000;
/** A wrong clock is off by so many times its bound, and up to so much more. */
const WRONG_BY_MIN = 4;
const WRONG_BY_MICROS_MAX = 400_000;
/** P7 and P12 wait for 5 s each. */
const TRUSTED_AFTER_MICROS = 12 * SECOND;

export const FAULT_KINDS = [
  'crash',
  'crashMany',
  'pause',
  'partition',
  'oneWay',
  'isolate',
  'loss',
  'repeat',
  'late',
  'slow',
  'slowDisk',
  'failDisk',
  'clocks',
  'wrongClock',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface FaultPlan {
  /** How often each comes, against the others; 0 never. */
  readonly weights: Readonly<Record<FaultKind, number>>;
  /** Between two faults, at most. */
  readonly everyMicrosMax: number;
  /** How long one lasts, at most. */
  readonly lastsMicrosMax: number;
  /** How long a node is down, at most. */
  readonly downMicrosMax: number;
  /** After one election in so many, the winner and others crash at once; 0 never. */
  readonly crashElectedOneIn: number;
  /** In one hand-over of leadership in so many, the leader goes deaf in the middle; 0 never. */
  readonly deafAtTransferOneIn: number;
  /** How far monotonic clocks drift, either way, in millionths. */
  readonly driftPerMillion: number;
}

/** Half of the kinds, each more or less often: of those that a cluster must live through as if nothing were. */
export function randomFaultPlan(random: SeededRandom): FaultPlan {
  const weights = {} as Record<FaultKind, number>;
  for (const kind of FAULT_KINDS) {
    const isLegal = kind !== 'wrongClock';
    weights[kind] = isLegal && random.oneIn(2) ? 1 + random.below(4) : 0;
  }
  weights.crash += 2;
  if (weights.partition + weights.oneWay + weights.isolate === 0) weights.isolate = 2;
  const lastsMicrosMax = SECOND / 2 + random.below(4 * SECOND);
  return {
    weights,
    everyMicrosMax: SECOND / 2 + random.below(3 * SECOND),
    lastsMicrosMax,
    downMicrosMax: lastsMicrosMax,
    crashElectedOneIn: random.oneIn(3) ? 10 : 0,
    deafAtTransferOneIn: random.oneIn(2) ? 3 : 0,
    driftPerMillion: 200,
  };
}

export class ClusterFaults<Node extends ClusterNode> {
  /** Kinds that there have been. */
  readonly happened: Set<string> = new Set();
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #network: SimNetwork;
  readonly #usualDelayMicros: number;
  readonly #cluster: Cluster<Node>;
  readonly #plan: FaultPlan;
  readonly #kinds: readonly FaultKind[];
  /** Faults of the present period end with it. */
  #period = 0;
  #isOn = false;
  /** By then all nodes believe in their clocks, once they are right. */
  #trustedMicros = 0;

  constructor(world: World, network: SimNetwork, cluster: Cluster<Node>, plan: FaultPlan) {
    this.#world = world;
    this.#random = world.random.fork('faults');
    this.#network = network;
    this.#usualDelayMicros = network.settings.delayMicrosMax;
    this.#cluster = cluster;
    this.#plan = plan;
    this.#kinds = FAULT_KINDS.flatMap((kind) =>
      new Array<FaultKind>(plan.weights[kind]).fill(kind),
    );
  }

  /** From now on things go wrong. */
  begin(): void {
    this.#isOn = true;
    this.#next();
  }

  /** All is well from now on; nodes that are down start. */
  heal(): void {
    this.#isOn = false;
    this.#period += 1;
    this.#network.heal();
    const { settings } = this.#network;
    settings.loseOneIn = settings.repeatOneIn = settings.lateOneIn = 0;
    settings.delayMicrosMax = this.#usualDelayMicros;
    for (const seat of this.#cluster.seats) {
      const { disk, clock } = seat.machine;
      this.#setRight(clock);
      disk.settings.slowOneIn = disk.settings.failOneIn = 0;
      this.#cluster.start(seat);
    }
  }

  /** A node has won an election. */
  elected(node: number): void {
    const { crashElectedOneIn } = this.#plan;
    if (!this.#isOn || crashElectedOneIn === 0 || !this.#random.oneIn(crashElectedOneIn)) return;
    const period = this.#period;
    // Not in the middle of what it is doing.
    this.#world.after(0, undefined, () => {
      if (this.#period !== period) return;
      this.happened.add('crash at an election');
      for (const seat of this.#cluster.seats) {
        if (seat.machine.node === node || this.#random.oneIn(2)) this.#crash(seat);
      }
    });
  }

  /** A leader is asked to hand over. */
  handsOver(node: number): void {
    const { deafAtTransferOneIn } = this.#plan;
    if (!this.#isOn || deafAtTransferOneIn === 0 || !this.#random.oneIn(deafAtTransferOneIn))
      return;
    const period = this.#period;
    this.#world.after(this.#random.below(TRANSFER_MICROS), undefined, () => {
      if (this.#period !== period) return;
      this.happened.add('leader deaf while it hands over');
      for (const { machine } of this.#cluster.seats) this.#cut(machine.node, node);
    });
  }

  #next(): void {
    const period = this.#period;
    if (this.#kinds.length === 0) return;
    this.#world.after(this.#random.below(this.#plan.everyMicrosMax), undefined, () => {
      if (!this.#isOn || this.#period !== period) return;
      this.#happen(this.#kinds[this.#random.below(this.#kinds.length)] as FaultKind);
      this.#next();
    });
  }

  /** Ends after a while, or with the period. */
  #last(undo: () => void, microsMax: number = this.#plan.lastsMicrosMax): void {
    const period = this.#period;
    this.#world.after(this.#random.below(microsMax), undefined, () => {
      if (this.#period === period) undo();
    });
  }

  #anyone(): Seat<Node> {
    const { seats } = this.#cluster;
    return seats[this.#random.below(seats.length)] as Seat<Node>;
  }

  #happen(kind: FaultKind): void {
    const seat = this.#anyone();
    const { disk, clock, node } = seat.machine;
    const { settings } = this.#network;
    switch (kind) {
      case 'crash':
        this.#crash(seat);
        break;
      case 'crashMany':
        this.happened.add('several nodes crashed at once');
        for (const other of this.#cluster.seats) if (!this.#random.oneIn(3)) this.#crash(other);
        break;
      case 'pause':
        this.#pause(seat);
        break;
      case 'partition':
        this.#partition();
        break;
      case 'oneWay': {
        this.happened.add('one-way cut');
        const other = this.#anyone().machine.node;
        this.#cut(node, other);
        break;
      }
      case 'isolate':
        this.#isolate(node);
        break;
      case 'loss':
        this.happened.add('frames lost');
        settings.loseOneIn = 3 + this.#random.below(40);
        this.#last(() => void (settings.loseOneIn = 0));
        break;
      case 'repeat':
        this.happened.add('frames repeated');
        settings.repeatOneIn = 2 + this.#random.below(10);
        this.#last(() => void (settings.repeatOneIn = 0));
        break;
      case 'late':
        this.happened.add('frames late');
        settings.lateOneIn = 2 + this.#random.below(20);
        settings.lateMicrosMax =
          10_000 + this.#random.below(this.#random.oneIn(2) ? SECOND : 100_000);
        this.#last(() => void (settings.lateOneIn = 0));
        break;
      case 'slow':
        this.happened.add('slow network');
        settings.delayMicrosMax = 2_000 + this.#random.below(100_000);
        this.#last(() => void (settings.delayMicrosMax = this.#usualDelayMicros));
        break;
      case 'slowDisk':
        this.happened.add('slow disk');
        disk.settings.slowOneIn = 2 + this.#random.below(30);
        this.#last(() => void (disk.settings.slowOneIn = 0));
        break;
      case 'failDisk':
        this.happened.add('failing disk');
        disk.settings.failOneIn = 5 + this.#random.below(100);
        this.#last(() => void (disk.settings.failOneIn = 0));
        break;
      case 'clocks':
        this.happened.add('clock drift and shift');
        clock.drift(this.#drift());
        clock.shiftMicros =
          this.#random.below(4 * clock.uncertaintyMicros) - 2 * clock.uncertaintyMicros;
        break;
      case 'wrongClock':
        this.#setWrong(seat);
        break;
    }
  }

  /** Beyond the bound, while its node is down, so that nobody sees it step: only its peers can tell (P12). They can if it
   * is only one, and none of them is still finding out that it is right again. */
  #setWrong(seat: Seat<Node>): void {
    if (this.#cluster.seats.some(({ machine }) => machine.clock.stepMicros !== 0)) return;
    if (this.#world.nowMicros < this.#trustedMicros) return;
    this.happened.add('clock wrong beyond its bound');
    this.#cluster.crash(seat, false);
    const { clock } = seat.machine;
    const micros = WRONG_BY_MIN * clock.uncertaintyMicros + this.#random.below(WRONG_BY_MICROS_MAX);
    clock.stepMicros = this.#random.oneIn(2) ? micros : -micros;
    this.#last(() => this.#cluster.start(seat), this.#plan.downMicrosMax);
    // Somebody sets it right, which it notices (P7).
    this.#last(() => this.#setRight(clock));
  }

  #setRight(clock: SimClock): void {
    if (clock.stepMicros !== 0) this.#trustedMicros = this.#world.nowMicros + TRUSTED_AFTER_MICROS;
    clock.stepMicros = 0;
  }

  /** At either end of the bound, or anywhere within. */
  #drift(): number {
    const { driftPerMillion } = this.#plan;
    const kind = this.#random.below(3);
    if (kind < 2) return kind === 0 ? driftPerMillion : -driftPerMillion;
    return this.#random.below(2 * driftPerMillion + 1) - driftPerMillion;
  }

  #crash(seat: Seat<Node>): void {
    if (seat.machine.life === undefined) return;
    if (this.#random.oneIn(6)) {
      this.happened.add('orderly stop');
      this.#cluster.stop(seat);
    } else {
      this.#cluster.crash(seat, this.#random.oneIn(3));
    }
    this.#last(() => this.#cluster.start(seat), this.#plan.downMicrosMax);
  }

  #pause(seat: Seat<Node>): void {
    const { life } = seat.machine;
    if (life === undefined) return;
    this.happened.add('node paused');
    const long = this.#random.oneIn(2);
    life.pausedUntilMicros =
      this.#world.nowMicros + this.#random.below(long ? this.#plan.lastsMicrosMax : 300_000);
  }

  #cut(from: number, to: number): void {
    if (from === to) return;
    this.#network.cut(from, to);
    this.#last(() => this.#network.join(from, to));
  }

  /** Two halves of any size. */
  #partition(): void {
    this.happened.add('partition');
    const isLeft = this.#cluster.seats.map(() => this.#random.oneIn(2));
    const cuts: [number, number][] = [];
    for (const [i, left] of isLeft.entries()) {
      for (const [j, other] of isLeft.entries()) if (left !== other) cuts.push([i + 1, j + 1]);
    }
    for (const [from, to] of cuts) this.#network.cut(from, to);
    this.#last(() => {
      for (const [from, to] of cuts) this.#network.join(from, to);
    });
  }

  /** From all others; at times it hears them still, or is heard. */
  #isolate(node: number): void {
    const kind = this.#random.below(4);
    this.happened.add(['node deaf', 'node mute'][kind] ?? 'node isolated');
    for (const { machine } of this.#cluster.seats) {
      if (kind !== 1) this.#cut(machine.node, node);
      if (kind !== 0) this.#cut(node, machine.node);
    }
  }
}
