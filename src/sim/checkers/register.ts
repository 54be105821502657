// Whether the reads and writes of registers can have happened one after another, each between its call and its answer
// (linearizability). Registers are independent, so each is judged alone. Every write of a register writes another value,
// which makes it quick: a write and the reads that saw it form a cluster, and what must be contiguous is the cluster, so
// only pairs of clusters need looking at (Gibbons and Korach, "Testing shared memories", 1997, section 4).
//
// A cluster must hold the register from its first answer to its last call. When that is not empty it is a solid zone,
// and no two of those may overlap; otherwise it can be put at one moment between its last call and its first answer,
// which must not lie wholly within a solid zone of another.

import { assert } from '../../base/assert.ts';
import type { RegisterOperation } from './register-history.ts';

/** Operations that can not all have happened, in no order. */
export interface RegisterViolation {
  readonly key: string;
  readonly reason: string;
  /** The fewest that contradict each other. */
  readonly operations: readonly RegisterOperation[];
}

/** Of the first write, which nobody made: the register was empty. */
const BEFORE_ALL = Number.NEGATIVE_INFINITY;
const NEVER = Number.POSITIVE_INFINITY;

/** A write and those who read its value. */
interface Cluster {
  /** Undefined: of the empty register. */
  readonly write: RegisterOperation | undefined;
  /** The first answer, and who got it; NEVER while none is known. */
  finish: number;
  finisher: RegisterOperation | undefined;
  /** The last call. */
  start: number;
  starter: RegisterOperation | undefined;
  reads: number;
}

/** The violation of the register with the fewest operations; undefined when all are linearizable. */
export function checkRegisters(
  operations: Iterable<RegisterOperation>,
): RegisterViolation | undefined {
  const byKey = new Map<string, RegisterOperation[]>();
  for (const operation of operations) {
    const list = byKey.get(operation.key);
    if (list === undefined) byKey.set(operation.key, [operation]);
    else list.push(operation);
  }
  const smallestFirst = [...byKey.values()].sort((a, b) => a.length - b.length);
  for (const list of smallestFirst) {
    const violation = checkRegister(list);
    if (violation !== undefined) return violation;
  }
  return undefined;
}

/** As checkRegisters, of one register. */
export function checkRegister(
  operations: readonly RegisterOperation[],
): RegisterViolation | undefined {
  const clusters = new Map<number | undefined, Cluster>();
  clusters.set(undefined, emptyRegister());
  for (const operation of operations) {
    if (operation.kind !== 'write' || operation.outcome === 'failed') continue;
    assert(!clusters.has(operation.value), `value ${operation.value} was written twice`);
    clusters.set(operation.value, clusterOf(operation));
  }
  for (const read of operations) {
    // What a read would have answered that nobody heard of says nothing.
    if (read.kind !== 'read' || read.outcome !== 'done') continue;
    const cluster = clusters.get(read.value);
    if (cluster === undefined) return unwritten(read, operations);
    const { write } = cluster;
    if (write !== undefined && answeredAt(read) < write.invoked) {
      return violation('a value was read before anybody wrote it', [read, write]);
    }
    join(cluster, read);
  }
  return contradiction([...clusters.values()]);
}

function emptyRegister(): Cluster {
  return {
    write: undefined,
    finish: BEFORE_ALL,
    finisher: undefined,
    start: BEFORE_ALL,
    starter: undefined,
    reads: 0,
  };
}

function clusterOf(write: RegisterOperation): Cluster {
  return {
    write,
    finish: answeredAt(write),
    finisher: write,
    start: write.invoked,
    starter: write,
    reads: 0,
  };
}

function join(cluster: Cluster, read: RegisterOperation): void {
  cluster.reads += 1;
  if (answeredAt(read) < cluster.finish) {
    cluster.finish = answeredAt(read);
    cluster.finisher = read;
  }
  if (read.invoked > cluster.start) {
    cluster.start = read.invoked;
    cluster.starter = read;
  }
}

/** A write of which nobody knows whether it happened may have happened at any time after its call. */
function answeredAt(operation: RegisterOperation): number {
  return operation.outcome === 'done' ? operation.completed : NEVER;
}

/** Two clusters contradict each other when each has something that was answered before something of the other was
 * called. A longer cycle of such pairs always contains one of two. */
function contradiction(clusters: readonly Cluster[]): RegisterViolation | undefined {
  // One whose write may never have happened, and which nobody saw, need not have.
  const known = clusters.filter(({ finish }) => finish !== NEVER);
  const solid = known
    .filter(({ finish, start }) => finish < start)
    .sort((a, b) => a.finish - b.finish);
  let furthest: Cluster | undefined;
  for (const cluster of solid) {
    if (furthest !== undefined && cluster.finish < furthest.start) {
      return mixed(furthest, cluster);
    }
    furthest = cluster;
  }
  for (const cluster of known) {
    if (cluster.finish < cluster.start) continue;
    const around = lastFinishedBefore(solid, cluster.start);
    if (around !== undefined && cluster.finish < around.start) return mixed(around, cluster);
  }
  return undefined;
}

/** Of zones that are sorted and do not overlap. */
function lastFinishedBefore(solid: readonly Cluster[], at: number): Cluster | undefined {
  let low = 0;
  let high = solid.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((solid[middle] as Cluster).finish < at) low = middle + 1;
    else high = middle;
  }
  return solid[low - 1];
}

function mixed(a: Cluster, b: Cluster): RegisterViolation {
  const name = ({ write }: Cluster): string =>
    write === undefined ? 'the empty register' : `value ${write.value}`;
  return violation(
    `${name(a)} and ${name(b)} were each known before the other was asked for: one came back`,
    [...witnesses(a, b), ...witnesses(b, a)].filter((operation) => operation !== undefined),
  );
}

/** The write, and what was answered before something of the other and called after it: the write itself if it will do. */
function witnesses(one: Cluster, other: Cluster): (RegisterOperation | undefined)[] {
  const { write } = one;
  const isEarly = write !== undefined && answeredAt(write) < other.start;
  const isLate = write !== undefined && write.invoked > other.finish;
  return [write, isEarly ? write : one.finisher, isLate ? write : one.starter];
}

function unwritten(
  read: RegisterOperation,
  operations: readonly RegisterOperation[],
): RegisterViolation {
  const failed = operations.find(({ kind, value }) => kind === 'write' && value === read.value);
  return failed === undefined
    ? violation('a value was read that nobody wrote', [read])
    : violation('a value was read whose write was refused', [failed, read]);
}

function violation(reason: string, operations: readonly RegisterOperation[]): RegisterViolation {
  const sorted = [...new Set(operations)].sort(
    (a, b) => a.invoked - b.invoked || a.completed - b.completed,
  );
  return { key: (sorted[0] as RegisterOperation).key, reason, operations: sorted };
}

/** For people: one line for each operation, in the order of the calls. */
export function formatViolation({ key, reason, operations }: RegisterViolation): string {
  const lines = operations.map((operation) => {
    const { kind, value, client, invokedMicros, completedMicros, outcome } = operation;
    const shown = value === undefined ? 'nothing' : String(value);
    const until = outcome === 'done' ? seconds(completedMicros) : outcome;
    return `  ${seconds(invokedMicros)} .. ${until}  ${client} ${kind === 'write' ? 'wrote' : 'read'} ${shown}`;
  });
  return `register ${key} is not linearizable: ${reason}\n${lines.join('\n')}`;
}

function seconds(micros: number): string {
  return `${(micros / 1_000_000).toFixed(6)} s`;
}
