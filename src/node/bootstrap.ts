// How nodes become a cluster. A node that is started with --join and has no identity waits: it tells who it is, and
// can be adopted. `meridian init` makes one of them the founder: it asks all others to describe themselves, writes down
// a plan (which cluster, who is which node), adopts the others one by one, and itself last. The plan is durable before
// anyone is adopted, and each directory has an id of its own, so that a founder that dies goes on with the same plan,
// and a directory that was emptied meanwhile is not taken for the one that it replaced.
//
// A node that waits and finds that one of the others belongs to a cluster asks to join it. The cluster gives it an id by
// a transaction (registry.ts), once all founders are there: until then it may be one of them itself, whose turn will come.

import { fromUtf8, utf8 } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Files, Log, Random, Timers } from '../runtime/runtime.ts';
import {
  type Member,
  type NodeIdentity,
  randomId,
  readIdentity,
  writeIdentity,
} from './identity.ts';

const FORMAT_VERSION = 1;

/** Where a node is reached, each HOST:PORT. */
export type Addresses = Pick<Member, 'rpc' | 'sql' | 'http'>;

/** What a node tells to whoever asks. */
export interface NodeDescription extends Addresses {
  /** Of its data directory. */
  readonly instanceId: string;
  /** Undefined while it waits. */
  readonly clusterId: string | undefined;
  /** 0 while it waits. */
  readonly nodeId: number;
  readonly members: readonly Member[];
}

export interface Adoption {
  readonly clusterId: string;
  /** What the node that is asked becomes. */
  readonly nodeId: number;
  readonly members: readonly Member[];
  /** Whom the founder means. */
  readonly instanceId: string;
}

/** What a node that waits asks of a cluster. */
export interface JoinRequest extends Addresses {
  readonly instanceId: string;
  readonly locality: string;
}

export interface Joined {
  readonly clusterId: string;
  readonly nodeId: number;
  readonly members: readonly Member[];
  readonly founders: readonly number[];
}

export type RefusalKind =
  /** It is part of a cluster. */
  | 'belongs'
  /** Not now, or not so. */
  | 'refused'
  /** Nobody answered: nobody knows whether it was done. */
  | 'unreachable';

export class BootstrapRefusal extends Error {
  override readonly name = 'BootstrapRefusal';
  readonly kind: RefusalKind;

  constructor(kind: RefusalKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Other nodes by their addresses. All reject with BootstrapRefusal. */
export interface BootstrapPeers {
  describe(address: string): Promise<NodeDescription>;
  adopt(address: string, adoption: Adoption): Promise<void>;
  join(address: string, request: JoinRequest): Promise<Joined>;
}

/** Between attempts to join. */
const JOIN_MICROS = 1_000_000;

interface PlannedMember extends Member {
  readonly instanceId: string;
}

interface Plan {
  readonly clusterId: string;
  readonly members: readonly PlannedMember[];
}

/** bootstrap.json: what a waiting node remembers. */
interface WaitingRecord {
  readonly instanceId: string;
  /** Of the founder: others may have been adopted by it. */
  readonly plan?: Plan;
}

export interface BootstrapOptions {
  readonly files: Files;
  readonly random: Random;
  readonly dataDirectory: string;
  readonly shards: number;
  readonly addresses: Addresses;
  /** As given with --join. */
  readonly join: readonly string[];
  readonly peers: BootstrapPeers;
  /** 'region=eu,zone=a' */
  readonly locality?: string;
}

export interface Founded {
  readonly clusterId: string;
  readonly members: readonly Member[];
}

/** A waiting node. */
export class Bootstrap {
  /** Resolves when the node is part of a cluster: its identity is written. */
  readonly adopted: Promise<NodeIdentity>;
  private readonly options: BootstrapOptions;
  private record: WaitingRecord;
  private identity: NodeIdentity | undefined;
  private resolveAdopted: (identity: NodeIdentity) => void = () => {};
  private isFounding = false;
  /** The plan was made by this process, and nobody can have been adopted by it. */
  private isSurelyAlone = false;
  /** Adoptions, one after the other. */
  private last: Promise<void> = Promise.resolve();

  private constructor(options: BootstrapOptions, record: WaitingRecord) {
    this.options = options;
    this.record = record;
    this.adopted = new Promise((resolve) => {
      this.resolveAdopted = resolve;
    });
  }

  /** The directory must be locked, and have no identity. */
  static async open(options: BootstrapOptions): Promise<Bootstrap> {
    const { files, dataDirectory, random } = options;
    const path = recordPath(dataDirectory);
    const bytes = await files.read(path);
    const bootstrap = new Bootstrap(
      options,
      bytes === undefined ? { instanceId: randomId(random) } : parseRecord(path, bytes),
    );
    if (bytes === undefined) await bootstrap.remember(bootstrap.record);
    return bootstrap;
  }

  describe(): NodeDescription {
    return describeNode(this.record.instanceId, this.options.addresses, this.identity);
  }

  adopt(adoption: Adoption): Promise<void> {
    const adopted = this.last.then(() => this.takeAdoption(adoption));
    this.last = adopted.catch(() => {});
    return adopted;
  }

  /** Looks for a cluster that takes this node, until it is part of one. */
  joinWhenPossible(timers: Timers, log: Log): Disposable {
    let isOver = false;
    let timer: Disposable | undefined;
    let told = '';
    const tell = (reason: string): void => {
      if (reason !== told) log.info('waits to join', { reason });
      told = reason;
    };
    const again = (): void => {
      if (isOver || this.identity !== undefined) return;
      timer = timers.after(JOIN_MICROS, () => void this.tryToJoin(tell).then(again));
    };
    again();
    return {
      [Symbol.dispose]: () => {
        isOver = true;
        timer?.[Symbol.dispose]();
      },
    };
  }

  /** Never rejects: what fails is tried again. */
  private async tryToJoin(tell: (reason: string) => void): Promise<void> {
    const { join, peers, addresses, locality = '' } = this.options;
    for (const address of join) {
      if (this.identity !== undefined || this.isFounding) return;
      try {
        const there = await peers.describe(address);
        if (there.clusterId === undefined) continue;
        const { instanceId } = this.record;
        const joined = await peers.join(address, { ...addresses, instanceId, locality });
        await this.enter(joined);
        return;
      } catch (error) {
        const isQuiet = error instanceof BootstrapRefusal && error.kind === 'unreachable';
        if (!isQuiet) tell(error instanceof Error ? error.message : String(error));
      }
    }
  }

  private enter({ clusterId, nodeId, members, founders }: Joined): Promise<void> {
    const entered = this.last.then(async () => {
      // It may have been adopted, or have begun to found a cluster, while it asked.
      if (this.identity !== undefined || this.isFounding || this.record.plan !== undefined) return;
      await this.become(clusterId, nodeId, members, founders);
    });
    this.last = entered.catch(() => {});
    return entered;
  }

  /** Founds a cluster of this node and those that it was told to join. `nodes`: how many they must be; 0: any. */
  async found(nodes: number): Promise<Founded> {
    if (this.identity !== undefined) throw belongs(this.identity);
    if (this.isFounding)
      throw new BootstrapRefusal('refused', 'this node is being initialised now');
    this.isFounding = true;
    try {
      const plan = this.record.plan ?? (await this.makePlan(nodes));
      await this.adoptOthers(plan);
      const members = plan.members.map(asMember);
      await this.become(plan.clusterId, this.own(plan).nodeId, members, idsOf(members));
      return { clusterId: plan.clusterId, members: plan.members.map(asMember) };
    } finally {
      this.isFounding = false;
    }
  }

  private own(plan: Plan): PlannedMember {
    const own = plan.members.find((one) => one.instanceId === this.record.instanceId);
    if (own === undefined) throw new BootstrapRefusal('refused', 'the plan is without this node');
    return own;
  }

  private async makePlan(nodes: number): Promise<Plan> {
    const members = planMembers(await this.askAll(), this.describe());
    if (nodes !== 0 && members.length !== nodes) {
      throw new BootstrapRefusal(
        'refused',
        `${nodes} nodes are wanted, and --join leads to ${members.length}: ${list(members)}`,
      );
    }
    const plan = { clusterId: randomId(this.options.random), members };
    // An adoption may have come while the others were asked.
    if (this.identity !== undefined) throw belongs(this.identity);
    await this.remember({ ...this.record, plan });
    this.isSurelyAlone = true;
    return plan;
  }

  /** All that is wrong is told at once. */
  private async askAll(): Promise<Answer[]> {
    const { join, peers } = this.options;
    const problems: string[] = [];
    const answers = await Promise.all(
      join.map(async (address): Promise<Answer | undefined> => {
        try {
          const node = await peers.describe(address);
          if (node.clusterId === undefined) return { address, node };
          problems.push(
            `the node at ${address} is node ${node.nodeId} of cluster ${node.clusterId} already`,
          );
        } catch (error) {
          problems.push(error instanceof Error ? error.message : String(error));
        }
        return undefined;
      }),
    );
    if (problems.length > 0) {
      throw new BootstrapRefusal('refused', `nothing was initialised: ${problems.join('; ')}`);
    }
    return answers.filter((answer) => answer !== undefined);
  }

  private async adoptOthers(plan: Plan): Promise<void> {
    const members = plan.members.map(asMember);
    for (const { instanceId, ...member } of plan.members) {
      if (instanceId === this.record.instanceId) continue;
      const { clusterId } = plan;
      try {
        await this.options.peers.adopt(member.rpc, {
          clusterId,
          nodeId: member.nodeId,
          members,
          instanceId,
        });
        this.isSurelyAlone = false;
      } catch (error) {
        const isRefused = error instanceof BootstrapRefusal && error.kind !== 'unreachable';
        // Two founders at once: one that surely has nobody gives its plan up, so that the other can go on.
        if (!isRefused) this.isSurelyAlone = false;
        if (this.isSurelyAlone) await this.remember({ instanceId: this.record.instanceId });
        const reason = error instanceof Error ? error.message : String(error);
        throw new BootstrapRefusal(
          error instanceof BootstrapRefusal ? error.kind : 'refused',
          `node ${member.nodeId} at ${member.rpc} was not initialised: ${reason}. Run meridian init here again when that is mended`,
        );
      }
    }
  }

  private async takeAdoption(adoption: Adoption): Promise<void> {
    if (this.identity !== undefined) {
      requireSame(this.identity, adoption);
      return;
    }
    if (adoption.instanceId !== this.record.instanceId) {
      throw new BootstrapRefusal(
        'refused',
        'another data directory answered at this address when the cluster was planned',
      );
    }
    if (this.record.plan !== undefined || this.isFounding) {
      throw new BootstrapRefusal('refused', 'meridian init was begun at this node, too');
    }
    await this.become(
      adoption.clusterId,
      adoption.nodeId,
      adoption.members,
      idsOf(adoption.members),
    );
  }

  private async become(
    clusterId: string,
    nodeId: number,
    members: readonly Member[],
    founders: readonly number[],
  ): Promise<void> {
    const { files, dataDirectory, shards } = this.options;
    const { instanceId } = this.record;
    await writeIdentity(files, dataDirectory, {
      clusterId,
      nodeId,
      shards: Math.max(1, shards),
      members,
      founders,
      instanceId,
    });
    await files.remove(recordPath(dataDirectory));
    const identity = await readIdentity(files, dataDirectory);
    if (identity === undefined) throw new Error('node.json was written and is not there');
    this.identity = identity;
    this.resolveAdopted(identity);
  }

  private async remember(record: WaitingRecord): Promise<void> {
    const { files, dataDirectory } = this.options;
    const text = JSON.stringify({ formatVersion: FORMAT_VERSION, ...record }, null, 2);
    await files.replace(recordPath(dataDirectory), utf8(`${text}\n`));
    this.record = record;
  }
}

interface Answer {
  readonly address: string;
  readonly node: NodeDescription;
}

/** Ids go by the order of --join; who founds and is not in it comes last. Exported for its tests. */
export function planMembers(
  answers: readonly Answer[],
  founder: NodeDescription,
): readonly PlannedMember[] {
  const members: PlannedMember[] = [];
  // Where others reach a node is what --join says; a node knows only where it listens.
  for (const { address, node } of [...answers, { address: founder.rpc, node: founder }]) {
    const { instanceId, sql, http } = node;
    if (members.some((one) => one.instanceId === instanceId)) continue;
    members.push({ nodeId: members.length + 1, rpc: address, sql, http, instanceId });
  }
  return members;
}

/** `instanceId`: of a node without an identity. */
export function describeNode(
  instanceId: string,
  addresses: Addresses,
  identity: NodeIdentity | undefined,
): NodeDescription {
  return {
    ...addresses,
    instanceId: identity?.instanceId ?? instanceId,
    clusterId: identity?.clusterId,
    nodeId: identity?.nodeId ?? 0,
    members: identity?.members ?? [],
  };
}

/** Adopting a node again that was adopted is harmless. */
export function requireSame(identity: NodeIdentity, adoption: Adoption): void {
  const { clusterId, nodeId, instanceId } = adoption;
  const isSame = clusterId === identity.clusterId && nodeId === identity.nodeId;
  if (!isSame || instanceId !== identity.instanceId) throw belongs(identity);
}

export function belongs(identity: NodeIdentity): BootstrapRefusal {
  const { nodeId, clusterId, members } = identity;
  const size = Math.max(1, members.length);
  return new BootstrapRefusal(
    'belongs',
    `this is node ${nodeId} of cluster ${clusterId} (${size} ${size === 1 ? 'node' : 'nodes'}) already`,
  );
}

function recordPath(dataDirectory: string): string {
  return `${dataDirectory}/bootstrap.json`;
}

function parseRecord(path: string, bytes: Uint8Array): WaitingRecord {
  let found: (Partial<WaitingRecord> & { formatVersion?: number }) | null;
  try {
    found = JSON.parse(fromUtf8(bytes)) as typeof found;
  } catch {
    found = null;
  }
  if ((found?.formatVersion ?? 0) > FORMAT_VERSION) {
    throw new DbError(
      '58P01',
      `${path} has format version ${found?.formatVersion}, this program knows version ${FORMAT_VERSION}`,
      { hint: 'Use a newer version of the program.' },
    );
  }
  if (typeof found?.instanceId === 'string') {
    const { instanceId, plan } = found;
    return plan === undefined ? { instanceId } : { instanceId, plan };
  }
  throw new DbError('XX001', `${path} is damaged`, {
    hint: 'If no node of the cluster was initialised yet, remove it.',
  });
}

function asMember({ nodeId, rpc, sql, http }: Member): Member {
  return { nodeId, rpc, sql, http };
}

function idsOf(members: readonly Member[]): readonly number[] {
  return members.map(({ nodeId }) => nodeId);
}

function list(members: readonly Member[]): string {
  return members.map(({ rpc }) => rpc).join(', ');
}
