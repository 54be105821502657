// Machines with a node each, whatever a node is made of: starting and ending them, and asking them from outside.

import { assert } from '../../base/assert.ts';
import { DbError } from '../../base/errors.ts';
import { FileError } from '../../runtime/runtime.ts';
import type { SimNetwork } from '../network.ts';
import { Machine, type MachineParts } from '../machine.ts';
import type { SeededRandom } from '../random.ts';
import { Violation } from '../violation.ts';
import type { Life, World } from '../world.ts';
import type { Answer, ClusterNode } from './cluster-node.ts';

/** Between a client and a node. */
const REQUEST_MICROS_MAX = 300;
/** After which a client gives a request up. */
const PATIENCE_MICROS = 2_000_000;
/** After which a node starts again that has stopped by itself. */
const RESTART_MICROS = 500_000;
/** A start or stop that takes longer hangs. */
const START_MICROS_MAX = 60_000_000;

/** SQLSTATEs of a disk that fails. */
const DISK_ERRORS: ReadonlySet<string> = new Set(['58030']);

export interface ClusterParts<Node extends ClusterNode> {
  readonly world: World;
  readonly network: SimNetwork;
  readonly nodes: number;
  readonly uncertaintyMicros: number;
  readonly onLog?: MachineParts['onLog'];
  /** Starts a node. `broken`: it can't go on. */
  open(machine: Machine, life: Life, broken: (error: Error) => void): Promise<Node>;
  /** Something rare has happened. */
  note(kind: string): void;
}

/** A machine and what runs on it. */
export interface Seat<Node extends ClusterNode> {
  readonly machine: Machine;
  /** Undefined while it starts or stops, or is down. */
  node: Node | undefined;
  isStopping: boolean;
  /** It was to start before it had stopped. */
  startsAgain: boolean;
}

export class Cluster<Node extends ClusterNode> {
  readonly seats: readonly Seat<Node>[];
  readonly #parts: ClusterParts<Node>;
  readonly #random: SeededRandom;
  crashes = 0;

  constructor(parts: ClusterParts<Node>) {
    this.#parts = parts;
    this.#random = parts.world.random.fork('cluster');
    const { world, network, uncertaintyMicros, onLog } = parts;
    this.seats = Array.from({ length: parts.nodes }, (_, i) => ({
      machine: new Machine({
        world,
        network,
        node: i + 1,
        label: ` ${i + 1}`,
        uncertaintyMicros,
        ...(onLog === undefined ? {} : { onLog }),
      }),
      node: undefined,
      isStopping: false,
      startsAgain: false,
    }));
  }

  seat(node: number): Seat<Node> {
    const seat = this.seats[node - 1];
    assert(seat !== undefined, `there is no node ${node}`);
    return seat;
  }

  /** Those that run. */
  get running(): readonly Node[] {
    return this.seats.flatMap(({ node }) => (node === undefined ? [] : [node]));
  }

  get areAllUp(): boolean {
    return this.running.length === this.seats.length;
  }

  start(seat: Seat<Node>): void {
    const { world } = this.#parts;
    const { machine } = seat;
    seat.startsAgain = seat.isStopping;
    if (machine.life !== undefined) return;
    const life = machine.begin();
    const broken = (error: Error): void => {
      if (!life.alive) return;
      // A disk that fails must stop the node (P35); anything else is a defect.
      if (!isOfDisk(error) || machine.disk.failures === 0) world.fail(error);
      this.#parts.note('node stopped by its disk');
      this.crash(seat, false);
      world.after(RESTART_MICROS, undefined, () => this.start(seat));
    };
    world.after(START_MICROS_MAX, life, () => {
      if (seat.node === undefined)
        world.fail(new Violation(`the start of node ${machine.node} hangs`));
    });
    this.#parts.open(machine, life, broken).then((node) => {
      if (life.alive) seat.node = node;
    }, broken);
  }

  crash(seat: Seat<Node>, keepsPower: boolean): void {
    if (seat.machine.life === undefined) return;
    this.crashes += 1;
    this.#end(seat, keepsPower);
  }

  loseDisk(seat: Seat<Node>): void {
    this.crashes += 1;
    this.#parts.note('disk lost');
    seat.node = undefined;
    seat.isStopping = false;
    seat.machine.loseDisk(this.#random);
  }

  /** An orderly stop, which takes a while. */
  stop(seat: Seat<Node>): void {
    const { node, machine } = seat;
    const { life } = machine;
    if (node === undefined || life === undefined) return;
    const { world } = this.#parts;
    seat.node = undefined;
    seat.isStopping = true;
    const hangs = new Violation(`an orderly stop of node ${machine.node} hangs`);
    world.after(START_MICROS_MAX, life, () => world.fail(hangs));
    node.close().then(
      () => {
        if (life.alive) this.#end(seat, true);
      },
      (error: unknown) => {
        if (!life.alive) return;
        if (isOfDisk(error) && machine.disk.failures > 0) this.#end(seat, true);
        else world.fail(error);
      },
    );
  }

  #end(seat: Seat<Node>, keepsPower: boolean): void {
    seat.node = undefined;
    seat.isStopping = false;
    for (const kind of seat.machine.end(this.#random, keepsPower)) this.#parts.note(kind);
    if (seat.startsAgain) this.start(seat);
  }

  /** As a client asks: it takes time, and what the node's end or the client's patience cuts off is unknown. */
  ask<T>(
    node: number,
    run: (node: Node) => Promise<T>,
    patienceMicros: number = PATIENCE_MICROS,
  ): Promise<T | Answer> {
    const { world } = this.#parts;
    const { machine } = this.seat(node);
    return new Promise((resolve) => {
      const timeout = world.after(patienceMicros, undefined, () => resolve({ kind: 'unknown' }));
      const answer = (value: T | Answer): void => {
        world.after(this.#random.below(REQUEST_MICROS_MAX), undefined, () => {
          timeout[Symbol.dispose]();
          resolve(value);
        });
      };
      world.after(this.#random.below(REQUEST_MICROS_MAX), undefined, () => {
        const { life } = machine;
        if (life === undefined) answer({ kind: 'refused', leader: undefined });
        else world.whenAwake(life, () => this.#serve(node, life, run, answer));
      });
    });
  }

  #serve<T>(
    node: number,
    life: Life,
    run: (node: Node) => Promise<T>,
    answer: (value: T | Answer) => void,
  ): void {
    const server = this.seat(node).node;
    if (server === undefined) {
      answer({ kind: 'refused', leader: undefined });
      return;
    }
    run(server).then(answer, (error: unknown) => {
      if (life.alive) this.#parts.world.fail(error);
    });
  }
}

function isOfDisk(error: unknown): boolean {
  if (error instanceof DbError) return DISK_ERRORS.has(error.code);
  return error instanceof FileError;
}
