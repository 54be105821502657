// A node that is nothing but Raft: a scheduler with groups whose state machines are registers. Reads are served by the
// leader under its lease, from its state; writes are proposals.

import { concatBytes } from '../../base/bytes.ts';
import { type OwnedClock, openIntervalClock } from '../../clock/clock.ts';
import type { Change, Configuration } from '../../raft/configuration.ts';
import type { Leadership, RaftGroup, SnapshotSource } from '../../raft/group.ts';
import type { ProposeAnswer } from '../../raft/proposals.ts';
import type { SnapshotMark } from '../../raft/ready.ts';
import { type ChangeAnswer, RaftScheduler, type SchedulerOptions } from '../../raft/scheduler.ts';
import { type GroupId, nodeOf, type ReplicaId } from '../../raft/types.ts';
import type { ByteStream, Runtime } from '../../runtime/runtime.ts';
import type { Answer, ClusterNode, Register } from './cluster-node.ts';
import {
  decodeSnapshot,
  encodeSnapshot,
  encodeWrite,
  FENCE,
  type RegisterStore,
  type StoredReplica,
} from './register-store.ts';

const DIRECTORY = 'data';
/** Small, so that a snapshot takes many chunks and some are cut off. */
const CHUNK_BYTES = 48;
const INSTALL_MICROS = 20_000;
const FLUSH_MICROS = 1_000;
/** A write has so much filler at times. */
const FILLER_BYTES_MAX = 700;

export interface RaftNodeOptions {
  readonly runtime: Runtime;
  readonly node: number;
  readonly store: RegisterStore;
  readonly scheduler: SchedulerOptions;
  readonly clockReserveMicros: number;
  /** Between two cuts of the log, about. */
  readonly flushMicros: number;
  /** Counts what rarely happens. */
  readonly note: (kind: string) => void;
  readonly onHandOver: () => void;
  /** The node can't go on. */
  readonly broken: (error: Error) => void;
}

/** A replica that runs. */
export interface Running {
  readonly stored: StoredReplica;
  group: RaftGroup;
  /** Leads, and everything that earlier leaders committed is in its state; not while it hands over (P3). */
  isServing: boolean;
}

export class RaftNode implements ClusterNode {
  readonly running: Map<GroupId, Running> = new Map();
  readonly clock: OwnedClock;
  readonly #options: RaftNodeOptions;
  readonly #scheduler: RaftScheduler;
  #isClosed = false;

  private constructor(options: RaftNodeOptions, clock: OwnedClock, scheduler: RaftScheduler) {
    this.#options = options;
    this.clock = clock;
    this.#scheduler = scheduler;
  }

  static async open(options: RaftNodeOptions): Promise<RaftNode> {
    const { runtime, node: nodeId, broken } = options;
    const clock = await openIntervalClock(runtime, DIRECTORY, {
      reserveMicros: options.clockReserveMicros,
      onFailure: (error) => broken(error as Error),
    });
    const scheduler = await RaftScheduler.open(
      { ...runtime, clock, nodeId },
      `${DIRECTORY}/log`,
      options.scheduler,
    );
    scheduler.onFailure(broken);
    const node = new RaftNode(options, clock, scheduler);
    runtime.network.onStream((_from, purpose, stream) => {
      node.#sendSnapshot(Number(purpose.split('/')[1]), stream).catch(() => stream.end());
    });
    for (const stored of options.store.replicas.values()) node.run(stored);
    node.#flushLater();
    return node;
  }

  /** Brings a replica to life that the store has. */
  run(stored: StoredReplica): void {
    const { state } = stored;
    const running: Running = { stored, group: undefined as never, isServing: false };
    running.group = this.#scheduler.createGroup({
      groupId: stored.group,
      replicaId: stored.replica,
      configuration: stored.founders,
      appliedIndex: state.appliedIndex,
      ...(state.installed === undefined ? {} : { startAt: state.installed }),
      ...(stored.isInstalling ? { lacksState: true } : {}),
      onCommitted: (entries) => stored.apply(entries),
      onLeadership: (leadership) => this.#leadership(running, leadership),
      onTransfer: () => this.#handOver(running),
      pullSnapshot: (source) => this.#pullSnapshot(running, source),
    });
    this.running.set(stored.group, running);
  }

  /** The replica ceases to exist (P32). */
  async remove(group: GroupId): Promise<void> {
    const running = this.running.get(group);
    if (running === undefined) return;
    this.running.delete(group);
    running.isServing = false;
    await this.#scheduler.removeGroup(running.group, false);
    this.#options.store.replicas.delete(group);
  }

  async read({ group, register }: Register): Promise<Answer> {
    const running = this.running.get(group);
    if (running === undefined) return { kind: 'refused', leader: undefined };
    if (!running.isServing || !running.group.lease.isHeld()) return this.#refusal(running);
    return { kind: 'done', value: running.stored.state.values.get(register) };
  }

  async write({ group, register }: Register, value: number): Promise<Answer> {
    const running = this.running.get(group);
    if (running === undefined) return { kind: 'refused', leader: undefined };
    if (!running.isServing) return this.#refusal(running);
    const { random } = this.#options.runtime;
    const filler = random.below(8) === 0 ? random.below(FILLER_BYTES_MAX) : random.below(8);
    const answer = await this.#scheduler.propose(
      running.group,
      encodeWrite(register, value, filler),
    );
    return this.#answerOf(running, answer);
  }

  #answerOf(running: Running, answer: ProposeAnswer): Answer {
    switch (answer.kind) {
      case 'committed':
        return { kind: 'done', value: undefined };
      case 'unknown':
        return { kind: 'unknown' };
      case 'notLeader':
      case 'busy':
      case 'diskFull':
      case 'tooLarge':
        return this.#refusal(running);
    }
  }

  #refusal({ group }: Running): Answer {
    const leader = group.leader === 0 ? undefined : nodeOf(group.leader);
    return { kind: 'refused', leader };
  }

  holdsLease(group: GroupId): boolean {
    const running = this.running.get(group);
    return running !== undefined && running.group.lease.isHeld();
  }

  /** Undefined: does not lead. */
  leads(group: GroupId): RaftGroup | undefined {
    const running = this.running.get(group);
    return running?.isServing === true && running.group.isLeader ? running.group : undefined;
  }

  async change(group: GroupId, change: Change): Promise<ChangeAnswer> {
    const running = this.running.get(group);
    if (running === undefined) return { kind: 'notLeader', leader: 0 };
    return this.#scheduler.proposeChange(running.group, change);
  }

  async transfer(group: GroupId, to: ReplicaId): Promise<'transferred' | 'failed'> {
    const running = this.running.get(group);
    if (running === undefined) return 'failed';
    return this.#scheduler.transfer(running.group, to);
  }

  configuration(group: GroupId): Configuration | undefined {
    return this.running.get(group)?.group.configuration;
  }

  #leadership(running: Running, leadership: Leadership): void {
    running.isServing = leadership.kind === 'leading';
  }

  /** P3: nothing is served from here on; who follows has everything that was. */
  async #handOver(running: Running): Promise<void> {
    running.isServing = false;
    const answer = await this.#scheduler.propose(running.group, FENCE);
    if (answer.kind !== 'committed') throw new Error(`the fence was not committed: ${answer.kind}`);
    this.#options.onHandOver();
  }

  async #sendSnapshot(group: GroupId, stream: ByteStream): Promise<void> {
    const running = this.running.get(group);
    if (running !== undefined && !running.stored.isInstalling) {
      const { state } = running.stored;
      const mark = this.#scheduler.snapshotMark(running.group, state.appliedIndex);
      const bytes = encodeSnapshot(state, mark);
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
        await stream.write(bytes.subarray(at, at + CHUNK_BYTES));
      }
      this.#options.note('snapshot sent');
    }
    stream.end();
  }

  async #pullSnapshot(running: Running, source: SnapshotSource): Promise<SnapshotMark> {
    const { runtime, note } = this.#options;
    const { stored } = running;
    const stream = await runtime.network.openStream(
      nodeOf(source.from),
      `snapshot/${stored.group}`,
    );
    const chunks: Uint8Array[] = [];
    for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
      chunks.push(chunk);
    }
    if (chunks.length === 0) throw new Error('the sender has no such replica');
    const state = decodeSnapshot(concatBytes(...chunks));
    if (state.appliedIndex < source.index) throw new Error('the sender has less than it offered');
    await this.#sleep(runtime.random.below(INSTALL_MICROS));
    stored.beginInstall();
    await this.#sleep(runtime.random.below(INSTALL_MICROS));
    stored.finishInstall(state);
    note('snapshot installed');
    return state.installed;
  }

  #flushLater(): void {
    const { runtime, flushMicros } = this.#options;
    runtime.timers.after(flushMicros / 2 + runtime.random.below(flushMicros), () => {
      this.#flush().catch((error: unknown) => this.#options.broken(error as Error));
    });
  }

  async #flush(): Promise<void> {
    const { runtime } = this.#options;
    for (const [group, running] of [...this.running]) {
      const { state, isInstalling } = running.stored;
      await this.#sleep(runtime.random.below(FLUSH_MICROS));
      if (this.#isClosed) return;
      if (isInstalling || running.stored.isInstalling) continue;
      running.stored.flushed(state);
      // P30: the index was read before the flush began.
      if (this.running.get(group) === running) {
        this.#scheduler.truncate(running.group, state.appliedIndex);
      }
    }
    this.#flushLater();
  }

  #sleep(micros: number): Promise<void> {
    const { timers } = this.#options.runtime;
    return new Promise((resolve) => void timers.after(micros, resolve));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#scheduler.close();
    await this.clock.close();
  }
}
