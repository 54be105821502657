// Somebody who changes who belongs to groups, and who leads them, while everything else goes wrong: learners come, are
// promoted, demoted and removed, voters are exchanged by joint consensus, leadership is handed over. It knows what it has
// asked for, not what became of it: a replica whose coming or going is in doubt is removed by a change of its own before
// anything else happens to the group. A replica id is never used again (P32).

import {
  type Change,
  type ChangeStep,
  type Configuration,
  isJoint,
  membersOf,
} from '../../raft/configuration.ts';
import { type GroupId, nodeOf, type ReplicaId, replicaIdOn } from '../../raft/types.ts';
import type { SeededRandom } from '../random.ts';
import type { World } from '../world.ts';
import type { Cluster } from './cluster.ts';
import type { RaftNode } from './raft-node.ts';
import { type RegisterStore, StoredReplica } from './register-store.ts';

export const VOTERS_MIN = 2;

export const MEMBERSHIP_KINDS = [
  'transfer',
  'grow',
  'promote',
  'shrink',
  'swap',
  'demote',
  'loseDisk',
] as const;
export type MembershipKind = (typeof MEMBERSHIP_KINDS)[number];

export interface MembershipPlan {
  readonly weights: Readonly<Record<MembershipKind, number>>;
  /** Between two steps, at most. */
  readonly everyMicrosMax: number;
  /** Fewer are not left. */
  readonly votersMin: number;
}

export function randomMembershipPlan(random: SeededRandom): MembershipPlan {
  const weights = {} as Record<MembershipKind, number>;
  for (const kind of MEMBERSHIP_KINDS) weights[kind] = random.oneIn(3) ? 0 : 1 + random.below(4);
  weights.loseDisk = random.oneIn(2) ? 0 : 1;
  return { weights, everyMicrosMax: 200_000 + random.below(3_000_000), votersMin: VOTERS_MIN };
}

interface Governed {
  readonly founders: Configuration;
  /** Steps of one group come one after another. */
  isBusy: boolean;
  /** Replicas that must be out before anything else happens: nobody knows whether they are in. */
  readonly doubtful: Set<ReplicaId>;
  /** Ids given out, by node. */
  readonly incarnations: Map<number, number>;
}

export class Membership {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #cluster: Cluster<RaftNode>;
  readonly #stores: readonly RegisterStore[];
  readonly #kinds: readonly MembershipKind[];
  readonly #plan: MembershipPlan;
  readonly #groups = new Map<GroupId, Governed>();
  readonly #note: (kind: string) => void;
  #period = 0;
  /** Replicas whose disk is gone, and which are members still. */
  readonly #lost = new Set<string>();

  constructor(
    world: World,
    cluster: Cluster<RaftNode>,
    stores: readonly RegisterStore[],
    plan: MembershipPlan,
    note: (kind: string) => void,
  ) {
    this.#world = world;
    this.#random = world.random.fork('membership');
    this.#cluster = cluster;
    this.#stores = stores;
    this.#plan = plan;
    this.#kinds = MEMBERSHIP_KINDS.flatMap((kind) =>
      new Array<MembershipKind>(plan.weights[kind]).fill(kind),
    );
    this.#note = note;
  }

  /** A group whose founders' replicas are in the stores. */
  govern(group: GroupId, founders: Configuration): void {
    const incarnations = new Map(membersOf(founders).map((replica) => [nodeOf(replica), 0]));
    this.#groups.set(group, { founders, isBusy: false, doubtful: new Set(), incarnations });
  }

  begin(): void {
    if (this.#kinds.length > 0) this.#next();
  }

  /** Nothing more is begun. */
  pause(): void {
    this.#period += 1;
  }

  #next(): void {
    const period = this.#period;
    this.#world.after(this.#random.below(this.#plan.everyMicrosMax), undefined, () => {
      if (this.#period !== period) return;
      const group = 1 + this.#random.below(this.#groups.size);
      const governed = this.#groups.get(group) as Governed;
      if (!governed.isBusy) {
        governed.isBusy = true;
        this.#step(group, governed).then(
          () => {
            governed.isBusy = false;
          },
          (error: unknown) => this.#world.fail(error),
        );
      }
      this.#next();
    });
  }

  /** Until nothing is in doubt and no configuration is joint: what is over must be over for all. Asked again and again
   * when all is well. */
  async tidy(): Promise<boolean> {
    let isTidy = true;
    for (const [group, governed] of this.#groups) {
      const joint = this.#cluster.running.some((node) => {
        const configuration = node.leads(group)?.configuration;
        return configuration !== undefined && isJoint(configuration);
      });
      if (!joint && governed.doubtful.size === 0 && !governed.isBusy) continue;
      isTidy = false;
      if (governed.isBusy) continue;
      governed.isBusy = true;
      await this.#tidyStep(group, governed);
      governed.isBusy = false;
    }
    return isTidy;
  }

  /** The leader's node, once nothing stands in the way of another change. */
  async #tidyStep(group: GroupId, governed: Governed): Promise<number | undefined> {
    const seat = this.#cluster.seats.find(({ node }) => node?.leads(group) !== undefined);
    const configuration = seat?.node?.configuration(group);
    if (seat === undefined || configuration === undefined) return undefined;
    const leader = seat.machine.node;
    if (isJoint(configuration)) {
      if (!configuration.autoLeave) await this.#change(leader, group, { kind: 'leaveJoint' });
      return undefined;
    }
    for (const replica of governed.doubtful) {
      if (!(await this.#remove(leader, group, governed, replica))) return undefined;
    }
    return leader;
  }

  async #step(group: GroupId, governed: Governed): Promise<void> {
    const leader = await this.#tidyStep(group, governed);
    if (leader === undefined) return;
    const configuration = this.#cluster.seat(leader).node?.configuration(group);
    if (configuration === undefined || isJoint(configuration)) return;
    const kind = this.#kinds[this.#random.below(this.#kinds.length)] as MembershipKind;
    const { voters, learners } = configuration;
    switch (kind) {
      case 'transfer': {
        const to = this.#oneOf(membersOf(configuration));
        const outcome = await this.#cluster.ask(leader, (node) => node.transfer(group, to));
        this.#note(`transfer ${typeof outcome === 'string' ? outcome : outcome.kind}`);
        return;
      }
      case 'grow': {
        const fresh = await this.#create(group, governed);
        if (fresh === undefined) return;
        const asVoter = this.#random.oneIn(4);
        const step: ChangeStep = { kind: asVoter ? 'addVoter' : 'addLearner', replica: fresh };
        await this.#adding(leader, group, governed, { kind: 'simple', steps: [step] }, [fresh]);
        return;
      }
      case 'promote':
        if (learners.length > 0) {
          await this.#change(leader, group, {
            kind: 'simple',
            steps: [{ kind: 'addVoter', replica: this.#oneOf(learners) }],
          });
        }
        return;
      case 'shrink': {
        const candidates =
          voters.length > this.#plan.votersMin ? membersOf(configuration) : learners;
        if (candidates.length > 0) {
          await this.#remove(leader, group, governed, this.#oneOf(candidates));
        }
        return;
      }
      case 'swap':
        await this.#swap(leader, group, governed, configuration);
        return;
      case 'demote':
        if (voters.length > this.#plan.votersMin) {
          await this.#joint(leader, group, [{ kind: 'addLearner', replica: this.#oneOf(voters) }]);
        }
        return;
      case 'loseDisk':
        this.#loseDisk(group);
        return;
    }
  }

  /** A whole disk is lost, if every group can bear it: each has a majority without that node, and none has a dead
   * member already. What was there is never heard of again; another replica may come in its place (P32). */
  #loseDisk(own: GroupId): void {
    const seat = this.#oneOf(this.#cluster.seats);
    const { node } = seat.machine;
    const store = this.#stores[node - 1] as RegisterStore;
    if (this.#lost.size > 0) return;
    for (const [group, { doubtful, isBusy }] of this.#groups) {
      const configuration = this.#surely(group);
      if (configuration === undefined || isJoint(configuration)) return;
      if (doubtful.size > 0 || (isBusy && group !== own) || configuration.voters.length < 3) return;
    }
    for (const [group, { replica }] of store.replicas) {
      const configuration = this.#surely(group);
      if (configuration === undefined || !membersOf(configuration).includes(replica)) continue;
      (this.#groups.get(group) as Governed).doubtful.add(replica);
      this.#lost.add(`${group}/${replica}`);
    }
    this.#cluster.loseDisk(seat);
    this.#world.after(this.#random.below(2_000_000), undefined, () => this.#cluster.start(seat));
  }

  /** Who belongs to the group, as a leader knows it that has its lease. */
  #surely(group: GroupId): Configuration | undefined {
    return this.#cluster.running
      .find((node) => node.leads(group) !== undefined && node.holdsLease(group))
      ?.configuration(group);
  }

  /** One or two come, one or two go, at once. */
  async #swap(
    leader: number,
    group: GroupId,
    governed: Governed,
    configuration: Configuration,
  ): Promise<void> {
    const comes: ReplicaId[] = [];
    for (let i = this.#random.below(2); i >= 0; i--) {
      const fresh = await this.#create(group, governed);
      if (fresh !== undefined) comes.push(fresh);
    }
    if (comes.length === 0) return;
    const goes = configuration.voters.filter(() => this.#random.oneIn(3)).slice(0, comes.length);
    const steps: ChangeStep[] = [
      ...comes.map((replica) => ({ kind: 'addVoter' as const, replica })),
      ...goes.map((replica) => ({ kind: 'remove' as const, replica })),
    ];
    for (const replica of [...comes, ...goes]) governed.doubtful.add(replica);
    const outcome = await this.#joint(leader, group, steps);
    if (outcome !== 'committed') return;
    // Those who go are out when the joint configuration is left: that they are is made sure of by the next step.
    for (const replica of comes) governed.doubtful.delete(replica);
  }

  async #joint(leader: number, group: GroupId, steps: readonly ChangeStep[]): Promise<string> {
    const autoLeave = !this.#random.oneIn(3);
    const outcome = await this.#change(leader, group, { kind: 'enterJoint', autoLeave, steps });
    if (outcome === 'committed' && !autoLeave) {
      await this.#world.sleep(this.#random.below(300_000));
      await this.#change(leader, group, { kind: 'leaveJoint' });
    }
    return outcome;
  }

  async #adding(
    leader: number,
    group: GroupId,
    governed: Governed,
    change: Change,
    replicas: readonly ReplicaId[],
  ): Promise<void> {
    for (const replica of replicas) governed.doubtful.add(replica);
    const outcome = await this.#change(leader, group, change);
    if (outcome === 'committed') for (const replica of replicas) governed.doubtful.delete(replica);
  }

  /** Whether the replica is out for sure; then it ceases to exist after a while. */
  async #remove(
    leader: number,
    group: GroupId,
    governed: Governed,
    replica: ReplicaId,
  ): Promise<boolean> {
    governed.doubtful.add(replica);
    const outcome = await this.#change(leader, group, {
      kind: 'simple',
      steps: [{ kind: 'remove', replica }],
    });
    if (outcome !== 'committed') return false;
    governed.doubtful.delete(replica);
    this.#lost.delete(`${group}/${replica}`);
    if (!this.#random.oneIn(3)) this.#destroyLater(group, replica);
    return true;
  }

  /** A replica that is out may go on for a while, or for ever: it must disturb nobody. */
  #destroyLater(group: GroupId, replica: ReplicaId): void {
    this.#world.after(this.#random.below(2_000_000), undefined, () => {
      void this.#cluster.ask(nodeOf(replica), async (node) => {
        if (node.running.get(group)?.stored.replica === replica) await node.remove(group);
      });
    });
  }

  async #change(leader: number, group: GroupId, change: Change): Promise<string> {
    const answer = await this.#cluster.ask(leader, (node) => node.change(group, change));
    const { kind } = answer;
    this.#note(`${change.kind} ${kind}`);
    this.#world.trace.number(kind.length);
    return kind;
  }

  /** A new replica, on a node that has none of the group; undefined when there is no such node. */
  async #create(group: GroupId, governed: Governed): Promise<ReplicaId | undefined> {
    const free = this.#cluster.seats.filter(
      ({ node, machine }) =>
        node !== undefined && this.#stores[machine.node - 1]?.replicas.has(group) === false,
    );
    if (free.length === 0) return undefined;
    const { machine } = this.#oneOf(free);
    const incarnation = (governed.incarnations.get(machine.node) ?? -1) + 1;
    governed.incarnations.set(machine.node, incarnation);
    const replica = replicaIdOn(machine.node, incarnation);
    const stored = new StoredReplica(group, replica, governed.founders);
    const store = this.#stores[machine.node - 1] as RegisterStore;
    const created = await this.#cluster.ask(machine.node, async (node) => {
      if (store.replicas.has(group)) return 'present';
      store.replicas.set(group, stored);
      node.run(stored);
      return 'created';
    });
    return created === 'created' ? replica : undefined;
  }

  #oneOf<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)] as T;
  }
}
