// What must be so of all ranges once nothing goes wrong and nothing moves any more: they cover all keys without gap or
// overlap, every node has exactly the replicas that the ranges say it has, all of a range have the same, nothing is
// half done, and the directory knows.

import { compareBytes, equalBytes, toHex } from '../../base/bytes.ts';
import { isJoint, membersOf } from '../../raft/configuration.ts';
import { nodeOf, type ReplicaId } from '../../raft/types.ts';
import { encodeDescriptor, type RangeDescriptor } from '../../ranges/descriptor.ts';

/** A replica, as its node has it. */
export interface SeenReplica {
  readonly node: number;
  readonly range: number;
  readonly replica: ReplicaId;
  /** Undefined: it does not know its range. */
  readonly descriptor: RangeDescriptor | undefined;
  readonly isServing: boolean;
  readonly isFrozen: boolean;
  readonly appliedIndex: number;
  readonly prepared: number;
  readonly locks: number;
}

/** Undefined: all is as it must be. `committed`: the last index of the range's log that anybody has delivered. */
export function whatIsAmiss(
  replicas: readonly SeenReplica[],
  committed: (range: number) => number,
): string | undefined {
  const leaders = replicas
    .filter(({ isServing }) => isServing)
    .sort((a, b) => compareBytes(startOf(a), startOf(b)));
  return gapOf(leaders) ?? strangerOf(replicas, leaders) ?? unlikeOf(replicas, leaders, committed);
}

/** `published`: by start. */
export function whatDirectoryLacks(
  published: readonly RangeDescriptor[],
  replicas: readonly SeenReplica[],
): string | undefined {
  const led = replicas
    .flatMap(({ isServing, descriptor }) => (isServing && descriptor ? [descriptor] : []))
    .sort((a, b) => compareBytes(a.span.start, b.span.start));
  for (let i = 0; i < Math.max(led.length, published.length); i++) {
    const [mine, theirs] = [led[i], published[i]];
    if (mine !== undefined && theirs !== undefined && isSame(mine, theirs)) continue;
    return `the directory has ${toldOf(theirs)} where there is ${toldOf(mine)}`;
  }
  return undefined;
}

function startOf({ descriptor }: SeenReplica): Uint8Array {
  return descriptor?.span.start ?? new Uint8Array(0);
}

function gapOf(leaders: readonly SeenReplica[]): string | undefined {
  let at: Uint8Array | undefined = new Uint8Array(0);
  for (const { descriptor, node } of leaders) {
    if (descriptor === undefined) return `node ${node} serves a range of which it knows nothing`;
    const { start, end } = descriptor.span;
    if (at === undefined || !equalBytes(start, at)) {
      return `${toldOf(descriptor)} follows upon ${at === undefined ? 'the end of all keys' : `keys up to ${toHex(at)}`}`;
    }
    at = end;
  }
  return at === undefined ? undefined : `nobody serves the keys from ${toHex(at)} on`;
}

function strangerOf(
  replicas: readonly SeenReplica[],
  leaders: readonly SeenReplica[],
): string | undefined {
  for (const { node, range, replica } of replicas) {
    const leader = leaders.find((one) => one.range === range);
    const where = `node ${node} has a replica of range ${range}`;
    if (leader?.descriptor === undefined) return `${where}, which nobody serves`;
    if (membersOf(leader.descriptor.configuration).includes(replica)) continue;
    return `${where} that is none of its members`;
  }
  return undefined;
}

function unlikeOf(
  replicas: readonly SeenReplica[],
  leaders: readonly SeenReplica[],
  committed: (range: number) => number,
): string | undefined {
  for (const leader of leaders) {
    const { range } = leader;
    const descriptor = leader.descriptor as RangeDescriptor;
    if (isJoint(descriptor.configuration)) return `the replicas of range ${range} are changing`;
    const last = committed(range);
    for (const member of membersOf(descriptor.configuration)) {
      const node = nodeOf(member);
      const found = replicas.find((one) => one.range === range && one.node === node);
      if (found === undefined) return `node ${node} has no replica of range ${range}`;
      const reason = unlike(found, descriptor, last);
      if (reason !== undefined) return `on node ${node}, range ${range} ${reason}`;
    }
  }
  return undefined;
}

function unlike(
  { descriptor, appliedIndex, isFrozen, prepared, locks }: SeenReplica,
  leader: RangeDescriptor,
  last: number,
): string | undefined {
  if (descriptor === undefined) return 'has no state';
  if (!isSame(descriptor, leader))
    return `is ${toldOf(descriptor)}, for its leader ${toldOf(leader)}`;
  if (isFrozen) return 'is frozen';
  if (prepared > 0) return `has ${prepared} transactions that are prepared`;
  if (locks > 0) return `has ${locks} locks`;
  return appliedIndex === last ? undefined : `has applied ${appliedIndex} of ${last}`;
}

function isSame(a: RangeDescriptor, b: RangeDescriptor): boolean {
  return equalBytes(encodeDescriptor(a), encodeDescriptor(b));
}

/** For people. */
export function toldOf(descriptor: RangeDescriptor | undefined): string {
  if (descriptor === undefined) return 'nothing';
  const { range, generation, span, configuration } = descriptor;
  const end = span.end === undefined ? '' : toHex(span.end);
  const nodes = membersOf(configuration).map(nodeOf).join(' ');
  return `range ${range} at generation ${generation} [${toHex(span.start)}, ${end}) on nodes ${nodes}`;
}
