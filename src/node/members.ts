// Who the members of the cluster are, and where, as far as this node's own disk has to know it: enough to find the others
// after a restart. The registry says who there is (registry.ts); addresses may change between starts. What a peer says in
// its handshake is taken over, and for peers that nobody reaches any more there is --join.

import type { PeerStatus } from '../rpc/peer.ts';
import type { Files, Log, Timers } from '../runtime/runtime.ts';
import type { Addresses, BootstrapPeers } from './bootstrap.ts';
import { type Member, type NodeIdentity, writeIdentity } from './identity.ts';
import type { NodeRecord } from './placement/registry.ts';

const LOOK_MICROS = 1_000_000;

export interface MembersParts {
  readonly files: Files;
  readonly timers: Timers;
  readonly log: Log;
  readonly dataDirectory: string;
  readonly identity: NodeIdentity;
  /** Addresses to ask who is there, as given with --join. */
  readonly join: readonly string[];
  readonly peers: BootstrapPeers;
  /** The network's. */
  connected(): readonly PeerStatus[];
  /** The network must dial others from now on. */
  changed(members: readonly Member[]): void;
}

export class Members {
  readonly #parts: MembersParts;
  #current: readonly Member[];
  #unasked: Set<string>;
  #timer: Disposable | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(parts: MembersParts) {
    this.#parts = parts;
    this.#current = parts.identity.members;
    const known = new Set(this.#current.map(({ rpc }) => rpc));
    this.#unasked = new Set(parts.join.filter((address) => !known.has(address)));
  }

  get current(): readonly Member[] {
    return this.#current;
  }

  start(): void {
    this.#again(0);
  }

  /** As the registry has them now. Who is not in it yet stays: founders register themselves once they run. Never
   * rejects. */
  async registered(records: readonly NodeRecord[]): Promise<void> {
    const kept = this.#writing.then(() => this.#replace(membersAfter(this.#current, records)));
    this.#writing = kept.catch((error: unknown) => {
      this.#parts.log.warn('the members could not be kept', { error: String(error) });
    });
    await this.#writing;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.[Symbol.dispose]();
    await this.#writing;
  }

  #again(micros: number): void {
    if (this.#isStopped) return;
    this.#timer = this.#parts.timers.after(micros, () => {
      void this.#look().then(() => this.#again(LOOK_MICROS));
    });
  }

  /** Never rejects: a member that isn't found now is looked for again. */
  async #look(): Promise<void> {
    const { peers, log, identity } = this.#parts;
    try {
      const found = new Map<number, Addresses>();
      for (const { connected } of this.#parts.connected()) {
        if (connected !== undefined) found.set(connected.nodeId, connected.addresses);
      }
      await Promise.all(
        [...this.#unasked].map(async (address) => {
          const node = await peers.describe(address).catch(() => undefined);
          if (node === undefined || node.clusterId !== identity.clusterId) return;
          this.#unasked.delete(address);
          const { sql, http } = node;
          if (node.nodeId !== identity.nodeId) found.set(node.nodeId, { rpc: address, sql, http });
        }),
      );
      await this.#learn(found);
    } catch (error) {
      log.warn('the addresses of members could not be kept', { error: String(error) });
    }
  }

  /** Of a peer that says so itself. Never rejects. */
  async met(nodeId: number, addresses: Addresses): Promise<void> {
    try {
      await this.#learn(new Map([[nodeId, addresses]]));
    } catch (error) {
      this.#parts.log.warn('the address of a member could not be kept', { error: String(error) });
    }
  }

  #learn(found: ReadonlyMap<number, Addresses>): Promise<void> {
    const learnt = this.#writing.then(() => this.#keep(found));
    this.#writing = learnt.catch(() => {});
    return learnt;
  }

  async #keep(found: ReadonlyMap<number, Addresses>): Promise<void> {
    const next = withAddresses(this.#current, found);
    if (next !== this.#current) await this.#change(next, 'a member is at a new address');
  }

  async #replace(members: readonly Member[]): Promise<void> {
    // Who is alone needs no list, and finds itself at whatever address.
    if (members.length <= 1 && this.#current.length <= 1) return;
    const isNew = (one: Member): boolean => !this.#current.some((known) => isSame(known, one));
    if (members.length === this.#current.length && !members.some(isNew)) return;
    await this.#change(members, 'the members of the cluster are known anew');
  }

  async #change(next: readonly Member[], what: string): Promise<void> {
    const { files, dataDirectory, identity, log } = this.#parts;
    if (this.#isStopped) return;
    await writeIdentity(files, dataDirectory, { ...identity, members: next });
    this.#current = next;
    log.info(what, { members: next.map(({ nodeId, rpc }) => `${nodeId} at ${rpc}`).join(', ') });
    this.#parts.changed(next);
  }
}

/** Those known and those registered: who was decommissioned is out. */
export function membersAfter(
  known: readonly Member[],
  records: readonly NodeRecord[],
): readonly Member[] {
  const unregistered = known.filter(({ nodeId }) =>
    records.every((record) => record.nodeId !== nodeId),
  );
  const registered = records
    .filter(({ state }) => state !== 'decommissioned')
    .map(({ nodeId, rpc, sql, http }): Member => ({ nodeId, rpc, sql, http }));
  return [...unregistered, ...registered].sort((a, b) => a.nodeId - b.nodeId);
}

function isSame(a: Member, b: Member): boolean {
  return a.nodeId === b.nodeId && a.rpc === b.rpc && a.sql === b.sql && a.http === b.http;
}

/** The same object when nothing is new. Nodes that are no members stay out. */
export function withAddresses(
  members: readonly Member[],
  found: ReadonlyMap<number, Addresses>,
): readonly Member[] {
  let isNew = false;
  const next = members.map((member): Member => {
    const at = found.get(member.nodeId);
    if (at === undefined) return member;
    const { nodeId } = member;
    const rpc = isReachable(at.rpc) ? at.rpc : member.rpc;
    if (rpc === member.rpc && at.sql === member.sql && at.http === member.http) return member;
    isNew = true;
    return { nodeId, rpc, sql: at.sql, http: at.http };
  });
  return isNew ? next : members;
}

/** Who listens at every address of its machine says nothing about where others find it. */
export function isReachable(address: string): boolean {
  return !address.startsWith('0.0.0.0:') && !address.startsWith('[::]:');
}
