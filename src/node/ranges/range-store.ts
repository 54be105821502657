// The ranges that this node has replicas of: opened from what the shards and the log know, born by splits, made when a
// leader elsewhere speaks of one, gone when they are removed. Found by id, and by key those whose range is known here;
// no two of these share a key (P26).

import type { UnknownReplica } from '../../raft/scheduler.ts';
import { nodeOf, type ReplicaId, replicaIdOn } from '../../raft/types.ts';
import { CHECKSUMS } from '../../ranges/consistency/consistency-format.ts';
import { overlaps, type RangeDescriptor, replicaOn } from '../../ranges/descriptor.ts';
import type { SplitBirth } from '../../ranges/handed-over.ts';
import { firstDescriptors } from '../../ranges/layout.ts';
import { decodeState, newState, type RangeState, unknownState } from '../../ranges/range-state.ts';
import { MERGED_PREFIX } from '../../ranges/record-steps.ts';
import type { Replica } from '../../ranges/replica.ts';
import type { Absorbing } from '../../ranges/replica-parts.ts';
import { pause } from '../../ranges/within.ts';
import { SNAPSHOTS } from '../../ranges/snapshots/snapshot-receiver.ts';
import type { NodeId } from '../../runtime/runtime.ts';
import type { Span } from '../../storage/engine.ts';
import { NO_RECORDS, STATE_RECORD } from '../../storage/range-records.ts';
import type { AppliedRange, RangeId, Shard } from '../../storage/shard.ts';
import type { Streams } from '../streams.ts';
import { readBroken } from './broken-marks.ts';
import { type HostSiblings, type NodeParts, RangeHost } from './range-host.ts';
import { PlacedRanges } from './placed-ranges.ts';
import { RangeMerges } from './range-merge.ts';
import { isOver, wasAbsorbed } from './taken-over.ts';

export interface RangeStoreParts extends NodeParts {
  /** At least one; a range lives on the one that has its records. */
  readonly shards: readonly Shard[];
  /** On whose nodes the first ranges begin. */
  readonly founders: readonly NodeId[];
  readonly streams: Streams;
  /** What the directory has of ranges that begin before that key. */
  published(before: Uint8Array): Promise<readonly RangeDescriptor[]>;
}

/** What has become another with a range here: what it is, who leads it, or whether it is here. */
export type RangeChanged = (host: RangeHost) => void;

export class RangeStore implements HostSiblings {
  private readonly parts: RangeStoreParts;
  private readonly hosts = new Map<RangeId, RangeHost>();
  /** Ranges that were merged into others here since the node began, and into which: sessions live no longer. */
  private readonly absorbedBy = new Map<RangeId, RangeId>();
  /** Those whose replica here differs from the others. */
  private readonly broken = new Set<RangeHost>();
  /** Being removed: they still have data. */
  private readonly leaving = new Set<RangeHost>();
  /** Of ranges that are known. */
  private readonly placed = new PlacedRanges<RangeHost>();
  private readonly merges: RangeMerges;
  private handlers: RangeChanged[] = [];
  /** P26: those that may split again what they had split before this start, up to that entry. */
  private replaying = new Map<RangeHost, number>();
  /** What was here before has been brought to life. */
  private isOpen = false;
  /** P28: what the directory is known to have of the ranges that are led here. */
  private isConfirmed: (range: RangeId, generation: number) => boolean = () => true;
  private refusal: string | undefined = undefined;
  private isStopped = false;

  /** `applied`: of each shard, what it has. */
  static async open(
    parts: RangeStoreParts,
    applied: readonly (readonly AppliedRange[])[],
  ): Promise<RangeStore> {
    const store = new RangeStore(parts);
    const broken = await readBroken(parts.runtime.files, parts.dataDirectory);
    await store.openAll(applied, broken);
    store.isOpen = true;
    return store;
  }

  private constructor(parts: RangeStoreParts) {
    this.parts = parts;
    const { scheduler, streams, nodeId, runtime } = parts;
    this.merges = new RangeMerges({
      nodeId,
      runtime,
      streams,
      get: (range) => this.get(range),
      oncePublished: (host) => this.oncePublished(host),
      find: (key) => this.find(key),
      before: async (start) => [
        ...this.placed.all.map(({ descriptor }) => descriptor),
        ...(await this.parts.published(start)),
      ],
    });
    scheduler.onUnknownReplica((replica) => this.met(replica));
    streams.registerAll(SNAPSHOTS, (from, stream, range) =>
      this.hosts.get(Number(range))?.serveSnapshot(from, stream),
    );
    streams.registerAll(CHECKSUMS, (from, stream, range) =>
      this.hosts.get(Number(range))?.consistency.serve(from, stream),
    );
  }

  get(range: RangeId): RangeHost | undefined {
    const host = this.hosts.get(range);
    return host?.isKnown === true ? host : undefined;
  }

  /** The range itself, or the one that has taken it over. */
  holder(range: RangeId): RangeHost | undefined {
    const by = this.absorbedBy.get(range);
    return by === undefined ? this.get(range) : this.holder(by);
  }

  /** In the order of their keys. */
  all(): readonly RangeHost[] {
    return this.placed.all;
  }

  /** Why a replica here may not serve; undefined: all may. */
  get whyBroken(): string | undefined {
    for (const { replica } of this.broken) return replica.whyBroken;
    return undefined;
  }

  /** Also those of which nothing is known yet. */
  hosted(): Iterable<RangeHost> {
    return this.hosts.values();
  }

  /** The replica's range holds the key. */
  find(key: Uint8Array): RangeHost | undefined {
    return this.placed.find(key);
  }

  /** Of who tells the directory. */
  confirmBy(isConfirmed: (range: RangeId, generation: number) => boolean): void {
    this.isConfirmed = isConfirmed;
  }

  async oncePublished(host: RangeHost): Promise<boolean> {
    const { timers } = this.parts.runtime;
    for (let waited = 0; ; waited += PUBLISHED_LOOK_MICROS) {
      if (this.isConfirmed(host.range, host.descriptor.generation)) return true;
      if (waited >= PUBLISHED_MICROS_MAX || this.isStopped) return false;
      await pause(timers, PUBLISHED_LOOK_MICROS);
    }
  }

  /** After every change. */
  onChange(handler: RangeChanged): void {
    this.handlers.push(handler);
  }

  /** Why writes are refused with 53100; undefined while there is room on the disk. */
  refuseWrites(reason: string | undefined): void {
    this.refusal = reason;
    for (const host of this.hosts.values()) host.replica.refuseWrites = reason;
    for (const shard of this.parts.shards) shard.letPack(reason === undefined);
  }

  /** Leadership goes to others, as far as they can take it. */
  async retire(): Promise<void> {
    await Promise.all([...this.hosts.values()].map((host) => host.retire()));
  }

  stop(reason: string): void {
    this.isStopped = true;
    this.merges.stop();
    for (const host of this.hosts.values()) host.stop(reason);
  }

  known(span: Span): readonly RangeDescriptor[] {
    return this.placed.known(span);
  }

  flushAll(): void {
    for (const host of this.placed.all) host.replica.flushApplies();
  }

  mayBear(right: RangeDescriptor): boolean {
    const replicaId = replicaOn(right, this.parts.nodeId);
    return replicaId !== undefined && this.parts.scheduler.mayBeBorn(right.range, replicaId);
  }

  born(parent: RangeHost, { state, records, entry, proposer }: SplitBirth): Replica | undefined {
    const { nodeId } = this.parts;
    const { range, span, configuration } = state.descriptor;
    if (!this.mayBear(state.descriptor)) {
      this.drop(range, span, parent.shard);
      return undefined;
    }
    const replicaId = replicaOn(state.descriptor, nodeId) as ReplicaId;
    // One that was met before has no state: it gives way to what goes on from its log.
    const before = this.hosts.get(range);
    before?.stop('it is born');
    // Whoever has asked it what it holds hears that it is none any more.
    void before?.replica.end('it is born');
    const host = this.host({
      range,
      replicaId,
      shard: parent.shard,
      state,
      appliedIndex: state.mark?.index ?? 0,
      records,
      lacksState: false,
      broken: undefined,
      birth: { parent: parent.group, entry, proposer: proposerOf(configuration.voters, proposer) },
    });
    return host.replica;
  }

  absorb(left: RangeHost, right: RangeId): Absorbing | undefined {
    const host = this.get(right);
    if (host === undefined || host.shard !== left.shard) return undefined;
    const { rangeState } = host.replica;
    return {
      rangeState,
      absorbed: () => {
        this.unplace(host);
        this.leaving.add(host);
        const absorption = host.replica.absorbed();
        this.absorbedBy.set(right, left.range);
        if (this.absorbedBy.size > ABSORBED_MAX) {
          const [oldest] = this.absorbedBy.keys();
          this.absorbedBy.delete(oldest as RangeId);
        }
        host.stop('its range was merged into another');
        // P27, P32: its log is needed until the other has taken it over durably; what does is posted in this turn.
        this.forgetGroup(
          host,
          Promise.resolve().then(() => host.shard.flush()),
        );
        return absorption;
      },
    };
  }

  merge(left: RangeHost): Promise<void> {
    return this.merges.merge(left);
  }

  mayInstall(host: RangeHost, state: RangeState): boolean {
    const { descriptor } = state;
    const over = this.placed.all.filter(
      (other) => !this.isAwaited(other) && isOver(other.replica.rangeState, descriptor),
    );
    for (const other of over) this.remove(other, true);
    const overlapping = (other: RangeHost): boolean =>
      other !== host &&
      other.isKnown &&
      overlaps(other.descriptor.span, descriptor.span) &&
      !wasAbsorbed(other.replica.rangeState, state);
    return !this.placed.all.some(overlapping) && ![...this.leaving].some(overlapping);
  }

  changed(host: RangeHost): void {
    // Before it has a place here nobody asks.
    if (this.hosts.get(host.range) !== host) return;
    this.place(host);
    this.dropAbsorbed(host);
    this.merges.changed(host);
    for (const handler of this.handlers) handler(host);
  }

  removed(host: RangeHost): boolean {
    if (this.isAwaited(host)) return false;
    this.remove(host, false);
    return true;
  }

  /** P27: who takes this range over has a replica here whose log has yet to do so: every member was frozen by then. */
  private isAwaited({ replica }: RangeHost): boolean {
    const { frozen } = replica.rangeState;
    const left = frozen === undefined ? undefined : this.hosts.get(frozen.by);
    if (frozen === undefined || left === undefined) return false;
    return !left.isKnown || left.descriptor.generation <= frozen.generation;
  }

  /** `hasEnded`: with its range. */
  private remove(host: RangeHost, hasEnded: boolean): void {
    const { scheduler, runtime, nodeId } = this.parts;
    if (this.isStopped || this.hosts.get(host.range) !== host || this.leaving.has(host)) return;
    runtime.log.info('a replica was removed', { range: host.range, node: nodeId });
    host.stop('its replica here was removed');
    this.leaving.add(host);
    this.unplace(host);
    const span = host.isKnown ? host.descriptor.span : undefined;
    // P32: nothing of it goes before its tombstone is synced, and all is gone for good before a newer one begins a log:
    // after a restart the store would be that one's.
    const ended = host.replica.end('its replica here was removed');
    this.gone(
      host,
      Promise.all([scheduler.removeGroup(host.group, hasEnded), ended])
        .then(() => host.shard.drop(host.range, span))
        .then(() => host.shard.flush()),
    );
  }

  /** P27: a snapshot from beyond a merge has put the keys of frozen ranges into this one. */
  private dropAbsorbed(host: RangeHost): void {
    for (;;) {
      const right = this.placed.after(host);
      if (right === undefined) break;
      if (!wasAbsorbed(right.replica.rangeState, host.replica.rangeState)) break;
      const rows = right.shard === host.shard ? undefined : right.descriptor.span;
      this.unplace(right);
      this.leaving.add(right);
      right.stop('its range was merged into another');
      const dropped = right.replica
        .end('its range was merged into another')
        .then(() => right.shard.drop(right.range, rows))
        .then(() => right.shard.flush());
      this.forgetGroup(right, dropped);
    }
  }

  private forgetGroup(host: RangeHost, durable: Promise<unknown>): void {
    this.gone(
      host,
      durable.then(() => this.parts.scheduler.removeGroup(host.group, true)),
    );
  }

  private gone(host: RangeHost, done: Promise<unknown>): void {
    done.then(
      () => {
        this.leaving.delete(host);
        this.hosts.delete(host.range);
        for (const handler of this.handlers) handler(host);
      },
      (error: unknown) => {
        if (!this.isStopped) this.parts.onFailure(error);
      },
    );
  }

  private async openAll(
    applied: readonly (readonly AppliedRange[])[],
    broken: ReadonlyMap<RangeId, string>,
  ): Promise<void> {
    const { scheduler, founders, nodeId, shards } = this.parts;
    const first = new Map(firstDescriptors(founders).map((one) => [one.range, one]));
    const isFounder = founders.includes(nodeId);
    for (let i = 0; i < applied.length; i++) {
      const shard = shards[i] as Shard;
      let hasDropped = false;
      for (const one of applied[i] as readonly AppliedRange[]) {
        const { range } = one;
        const record = one.records.get(STATE_RECORD);
        const descriptor = first.get(range);
        const state =
          record === undefined
            ? descriptor === undefined || one.isInstalling
              ? unknownState(range)
              : newState(descriptor)
            : decodeState(record);
        const replicaId = scheduler.knownReplica(range) ?? replicaOn(state.descriptor, nodeId);
        if (replicaId === undefined || scheduler.removedReplica(range) >= replicaId) {
          // P32: the node stopped before it was through with that.
          await shard.drop(range, record === undefined ? undefined : state.descriptor.span);
          hasDropped = true;
          continue;
        }
        this.host({
          range,
          replicaId,
          shard,
          state,
          appliedIndex: one.appliedIndex,
          records: one.records,
          lacksState: one.isInstalling,
          broken: broken.get(range),
        });
      }
      if (hasDropped) await shard.flush();
    }
    for (const [range, descriptor] of first) {
      const replicaId = replicaIdOn(nodeId, 0);
      const isNew = !this.hosts.has(range) && scheduler.removedReplica(range) < replicaId;
      const known = scheduler.knownReplica(range) ?? replicaId;
      if (!isFounder || !isNew || known !== replicaId) continue;
      this.host({
        range,
        replicaId,
        shard: this.shardOf(range),
        state: newState(descriptor),
        appliedIndex: 0,
        records: NO_RECORDS,
        lacksState: false,
        broken: broken.get(range),
      });
    }
    this.forgetMerged(applied);
    // P26: what was met before its split, or before a snapshot came.
    for (const range of scheduler.knownGroups) {
      if (this.hosts.has(range) || scheduler.awaitsReplay(range)) continue;
      this.unborn(range, scheduler.knownReplica(range) as ReplicaId, undefined);
    }
  }

  /** P27: the node stopped between a merge and the end of the right range's log. */
  private forgetMerged(applied: readonly (readonly AppliedRange[])[]): void {
    const { scheduler } = this.parts;
    for (const { records } of applied.flat()) {
      for (const name of records.keys()) {
        const range = name.startsWith(MERGED_PREFIX) ? Number(name.slice(MERGED_PREFIX.length)) : 0;
        const replicaId = range === 0 ? undefined : scheduler.knownReplica(range);
        if (replicaId === undefined || this.hosts.has(range)) continue;
        this.unborn(range, replicaId, undefined);
        this.remove(this.hosts.get(range) as RangeHost, true);
      }
    }
    for (const host of [...this.placed.all]) this.dropAbsorbed(host);
  }

  /** A leader elsewhere speaks to a replica that is not here. */
  private met({ groupId, from, to }: UnknownReplica): void {
    if (this.isStopped || !this.isOpen) return;
    const before = this.hosts.get(groupId);
    if (before === undefined && this.awaitsReplay(groupId)) return;
    // An older one has to go first: it is told that it was removed.
    if (before === undefined) this.unborn(groupId, to, from);
    else if (before.group.options.replicaId < to) this.remove(before, false);
  }

  /** It may vote and keeps its log; it knows nothing of its range. */
  private unborn(range: RangeId, replicaId: ReplicaId, contact: ReplicaId | undefined): void {
    this.host({
      range,
      replicaId,
      shard: this.shardOf(range),
      state: unknownState(range),
      appliedIndex: 0,
      records: NO_RECORDS,
      lacksState: true,
      broken: undefined,
      ...(contact === undefined ? {} : { contact }),
    });
  }

  /** P26: what was split here before this start may give birth to it again. Not once it has gone beyond that: with a
   * snapshot, or with the replica. Then there is a log without a state, which a leader has to send (P31). */
  private awaitsReplay(range: RangeId): boolean {
    if (!this.parts.scheduler.awaitsReplay(range)) return false;
    for (const [host, last] of this.replaying) {
      const isHere = this.hosts.get(host.range) === host && !this.leaving.has(host);
      if (!isHere || host.appliedIndex >= last) this.replaying.delete(host);
    }
    return this.replaying.size > 0;
  }

  private host(from: ConstructorParameters<typeof RangeHost>[2]): RangeHost {
    const host = new RangeHost(this.parts, this, from);
    // Also one that is born again, whose own log goes on.
    if (host.group.core.lastIndex > host.appliedIndex) {
      this.replaying.set(host, host.group.core.lastIndex);
    }
    host.replica.refuseWrites = this.refusal;
    this.hosts.set(from.range, host);
    this.changed(host);
    return host;
  }

  /** P26: what a split would have put here is another replica's, which was here or is: the rows go. */
  private drop(range: RangeId, span: Span, shard: Shard): void {
    // It clears the span before its state comes.
    if (this.hosts.get(range)?.shard === shard) return;
    shard.drop(range, span).catch((error: unknown) => {
      if (!this.isStopped) this.parts.onFailure(error);
    });
  }

  private shardOf(range: RangeId): Shard {
    const { shards } = this.parts;
    return shards[range % shards.length] as Shard;
  }

  private place(host: RangeHost): void {
    if (!host.isKnown || this.leaving.has(host)) return;
    if (host.replica.whyBroken !== undefined) this.broken.add(host);
    const before = this.placed.place(host);
    if (before !== undefined) this.broken.delete(before);
  }

  private unplace(host: RangeHost): void {
    this.broken.delete(host);
    this.placed.remove(host);
  }
}

/** What was locked in ranges that were merged before so many others is let go of by now. */
const ABSORBED_MAX = 10_000;
const PUBLISHED_LOOK_MICROS = 10_000;
const PUBLISHED_MICROS_MAX = 3_000_000;

function proposerOf(voters: readonly ReplicaId[], node: NodeId): ReplicaId {
  return voters.find((replica) => nodeOf(replica) === node) ?? replicaIdOn(node, 0);
}
