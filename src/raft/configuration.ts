// Membership of a group and the arithmetic of changing it: single steps and joint consensus (Raft thesis, sections
// 4.1 to 4.3), with the rules of etcd's confchange. A leaf of pure functions: a configuration is never changed in
// place. A refused change is a value, since operators ask for impossible ones.

import type { ReplicaId } from './quorum.ts';

/** All lists are sorted and without repetition. */
export interface Configuration {
  /** The incoming half. */
  readonly voters: readonly ReplicaId[];
  /** The outgoing half; empty unless joint. */
  readonly outgoing: readonly ReplicaId[];
  readonly learners: readonly ReplicaId[];
  /** Voters of the outgoing half that become learners when the joint configuration is left. */
  readonly learnersNext: readonly ReplicaId[];
  /** The leader leaves the joint configuration by itself once it has committed. */
  readonly autoLeave: boolean;
}

export type ChangeStep =
  | { readonly kind: 'addVoter'; readonly replica: ReplicaId }
  | { readonly kind: 'addLearner'; readonly replica: ReplicaId }
  | { readonly kind: 'remove'; readonly replica: ReplicaId }
  /** Nothing that Raft tracks changes; carries what others attach to the change's entry. */
  | { readonly kind: 'update'; readonly replica: ReplicaId };

/** What a change entry asks for. */
export type Change =
  | { readonly kind: 'simple'; readonly steps: readonly ChangeStep[] }
  | {
      readonly kind: 'enterJoint';
      readonly autoLeave: boolean;
      readonly steps: readonly ChangeStep[];
    }
  | { readonly kind: 'leaveJoint' };

export type ChangeResult =
  | { readonly kind: 'changed'; readonly configuration: Configuration }
  | { readonly kind: 'refused'; readonly reason: string };

/** A group that nobody belongs to yet. */
export const EMPTY_CONFIGURATION: Configuration = configurationOf([]);

export function configurationOf(
  voters: readonly ReplicaId[],
  learners: readonly ReplicaId[] = [],
): Configuration {
  return {
    voters: sorted(voters),
    outgoing: [],
    learners: sorted(learners),
    learnersNext: [],
    autoLeave: false,
  };
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.length > 0;
}

/** Everyone to whom the log is replicated, sorted. */
export function membersOf(configuration: Configuration): readonly ReplicaId[] {
  return sorted([
    ...configuration.voters,
    ...configuration.outgoing,
    ...configuration.learners,
    ...configuration.learnersNext,
  ]);
}

export function applyChange(configuration: Configuration, change: Change): ChangeResult {
  switch (change.kind) {
    case 'simple':
      return simple(configuration, change.steps);
    case 'enterJoint':
      return enterJoint(configuration, change.autoLeave, change.steps);
    case 'leaveJoint':
      return leaveJoint(configuration);
  }
}

/** At most one voter comes or goes: any two majorities, before and after, still overlap (thesis, section 4.1). */
function simple(before: Configuration, steps: readonly ChangeStep[]): ChangeResult {
  if (isJoint(before)) return refused("can't apply simple config change in joint config");
  const result = carryOut(before, steps);
  if (result.kind === 'refused') return result;
  if (symmetricDifference(before.voters, result.configuration.voters) > 1) {
    return refused('more than one voter changed without entering joint config');
  }
  return result;
}

/** Any change, by way of a configuration in which both the old and the new voters must agree (thesis, section 4.3). */
function enterJoint(
  before: Configuration,
  autoLeave: boolean,
  steps: readonly ChangeStep[],
): ChangeResult {
  if (isJoint(before)) return refused('config is already joint');
  // Nobody could have decided on the old half.
  if (before.voters.length === 0) return refused("can't make a zero-voter config joint");
  return carryOut({ ...before, outgoing: before.voters, autoLeave }, steps);
}

function leaveJoint(before: Configuration): ChangeResult {
  if (!isJoint(before)) return refused("can't leave a non-joint config");
  return {
    kind: 'changed',
    configuration: {
      voters: before.voters,
      outgoing: [],
      learners: sorted([...before.learners, ...before.learnersNext]),
      learnersNext: [],
      autoLeave: false,
    },
  };
}

function carryOut(before: Configuration, steps: readonly ChangeStep[]): ChangeResult {
  const voters = new Set(before.voters);
  const learners = new Set(before.learners);
  const learnersNext = new Set(before.learnersNext);
  for (const { kind, replica } of steps) {
    // Zero is nobody: it stands for a step that was voided when it was proposed.
    if (replica === 0) continue;
    if (kind === 'update') continue;
    voters.delete(replica);
    learners.delete(replica);
    learnersNext.delete(replica);
    if (kind === 'addVoter') voters.add(replica);
    if (kind === 'addLearner') {
      // A voter of the outgoing half still counts until the joint configuration is left: no one is both.
      (before.outgoing.includes(replica) ? learnersNext : learners).add(replica);
    }
  }
  if (voters.size === 0) return refused('removed all voters');
  return {
    kind: 'changed',
    configuration: {
      voters: sorted(voters),
      outgoing: before.outgoing,
      learners: sorted(learners),
      learnersNext: sorted(learnersNext),
      autoLeave: before.autoLeave,
    },
  };
}

function refused(reason: string): ChangeResult {
  return { kind: 'refused', reason };
}

function sorted(replicas: Iterable<ReplicaId>): readonly ReplicaId[] {
  return [...new Set(replicas)].sort((a, b) => a - b);
}

function symmetricDifference(a: readonly ReplicaId[], b: readonly ReplicaId[]): number {
  const gone = a.filter((replica) => !b.includes(replica)).length;
  return gone + b.filter((replica) => !a.includes(replica)).length;
}

/** As etcd prints it: `voters=(1 2)&&(1) learners=(3) learners_next=(1) autoleave`. */
export function formatConfiguration(configuration: Configuration): string {
  const list = (replicas: readonly ReplicaId[]): string => `(${replicas.join(' ')})`;
  let text = `voters=${list(configuration.voters)}`;
  if (isJoint(configuration)) text += `&&${list(configuration.outgoing)}`;
  if (configuration.learners.length > 0) text += ` learners=${list(configuration.learners)}`;
  if (configuration.learnersNext.length > 0) {
    text += ` learners_next=${list(configuration.learnersNext)}`;
  }
  return configuration.autoLeave ? `${text} autoleave` : text;
}
