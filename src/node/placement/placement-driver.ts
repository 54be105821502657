// Carries out what the allocator decides for the ranges that this node leads: once a second it looks, and begins at most
// one action for a range and a few for the node. What fails is tried again, later and later. It remembers only what
// keeps moves apart; what has to be done is found anew each time, so that a new leader goes on where another stopped.

import { DbError } from '../../base/errors.ts';
import { type Configuration, isJoint, membersOf } from '../../raft/configuration.ts';
import { nodeOf } from '../../raft/types.ts';
import type { RangeDescriptor } from '../../ranges/descriptor.ts';
import type { Log, NodeId, Time, Timers } from '../../runtime/runtime.ts';
import type { RangeId } from '../../storage/shard.ts';
import { plan } from './allocator.ts';
import { IDLE_SHARE_MAX } from './allocator-leases.ts';
import type { GivenLoads } from './node-status.ts';
import type {
  NodeView,
  PlacementAction,
  PlacementCause,
  PlacementStep,
  RangeView,
  ReplicaSwap,
} from './placement.ts';
import type { Settings } from './settings-store.ts';

const LOOK_MICROS = 1_000_000;
/** Where there was nothing to do, and every node is as good as idle. */
const CALM_LOOK_MICROS = 3_000_000;
const LEASES_AT_ONCE = 8;
/** A node that leads very many gives more of them away at once, so that thousands are spread within a minute: that takes
 * milliseconds of each. */
const LEASES_SHARE = 1 / 32;
/** After half as many it is told that something can't be done, and then after each so many. */
const STUCK_LOOKS = 60;
const RETRY_MICROS_MIN = 1_000_000;
const RETRY_MICROS_MAX = 60_000_000;

export type ReplicaStep = Exclude<PlacementStep, { readonly kind: 'transferLease' }>;

/** A range on this node, as placement handles it. */
export interface PlacedRange {
  readonly range: RangeId;
  readonly descriptor: RangeDescriptor;
  /** This node leads it, and serves. */
  readonly isLeading: boolean;
  readonly bytes: number;
  readonly factor: number;
  /** It is about to be split for its load: its pieces will be moved. */
  readonly isDividing?: boolean;
  /** Microseconds of work in a second: here, and on each follower. */
  readonly leadLoad: number;
  readonly followLoad: number;
  /** The replica there has nearly all that the log has here. */
  isCaughtUp(node: NodeId): boolean;
  /** Resolves when the other leads. */
  transferTo(node: NodeId): Promise<void>;
  /** Resolves when the change has been made. */
  changeReplicas(step: ReplicaStep): Promise<void>;
}

export interface PlacementDriverParts {
  readonly self: NodeId;
  readonly time: Pick<Time, 'monotonicMicros'>;
  readonly timers: Timers;
  readonly log: Log;
  readonly settings: Settings;
  readonly given: GivenLoads;
  ranges(): Iterable<PlacedRange>;
  nodes(): readonly NodeView[];
  /** Not yet, or not any more: the registry was not read, say. */
  isReady(): boolean;
}

/** What is remembered of a range on this node. */
interface History {
  isLeading: boolean;
  /** When its lease came here from another node. */
  leaseMovedMicros: number;
  /** When its replicas last changed under this leader. */
  replicasMovedMicros: number;
  configuration: Configuration;
  members: string;
  intent: ReplicaSwap | undefined;
  isRunning: boolean;
  failures: number;
  retryMicros: number;
  /** Of the look in which it was last seen. */
  look: number;
}

export interface PlacementCounts {
  readonly done: ReadonlyMap<`${PlacementStep['kind']} ${PlacementCause}`, number>;
  readonly failed: number;
  /** Ranges for which nothing can be done though something should be. */
  readonly stuck: number;
}

export class PlacementDriver {
  private readonly parts: PlacementDriverParts;
  private readonly histories = new Map<RangeId, History>();
  private readonly done = new Map<`${PlacementStep['kind']} ${PlacementCause}`, number>();
  private failed = 0;
  private stuckNow: ReadonlyMap<RangeId, string> = new Map();
  private looks = 0;
  private stuckLooks = 0;
  private leasesRunning = 0;
  private timer: Disposable | undefined = undefined;
  private isCalm = false;
  private isStopped = false;

  constructor(parts: PlacementDriverParts) {
    this.parts = parts;
  }

  start(): void {
    if (this.isStopped) return;
    this.timer = this.parts.timers.after(this.isCalm ? CALM_LOOK_MICROS : LOOK_MICROS, () => {
      this.look();
      this.start();
    });
  }

  stop(): void {
    this.isStopped = true;
    this.timer?.[Symbol.dispose]();
  }

  counts(): PlacementCounts {
    return { done: this.done, failed: this.failed, stuck: this.stuckNow.size };
  }

  /** Why nothing is done for a range; undefined: nothing need be. */
  whyStuck(range: RangeId): string | undefined {
    return this.stuckNow.get(range);
  }

  /** Begins what is to be done now. */
  look(): void {
    const { parts } = this;
    this.looks += 1;
    this.isCalm = false;
    const byId = new Map<RangeId, PlacedRange>();
    const views: RangeView[] = [];
    let learners = 0;
    let led = 0;
    const now = parts.time.monotonicMicros();
    for (const range of parts.ranges()) {
      const history = this.remember(range, now);
      if (!range.isLeading) continue;
      led += 1;
      learners += range.descriptor.configuration.learners.length;
      if (history.isRunning || history.retryMicros > now) continue;
      byId.set(range.range, range);
      views.push(this.viewOf(range, history, now));
    }
    this.forget();
    if (!parts.isReady()) return;
    const { settings } = parts;
    const leasesAtOnce = Math.max(LEASES_AT_ONCE, Math.floor(views.length * LEASES_SHARE));
    const { actions, stuck } = plan({
      self: parts.self,
      nodes: parts.nodes(),
      ranges: views,
      rules: {
        isBalancing: settings.get('rebalance.enabled') !== 0,
        loadThreshold: settings.get('rebalance.load_threshold'),
        bytesThreshold: settings.get('rebalance.bytes_threshold'),
        countThreshold: settings.get('rebalance.count_threshold'),
      },
      leaseMovesMax: leasesAtOnce - this.leasesRunning,
      replicaMovesMax: Math.max(0, settings.get('rebalance.replicas_at_once') - learners),
    });
    this.stuckNow = stuck;
    this.tellStuck();
    const isResting = views.length === led && actions.length === 0 && stuck.size === 0;
    this.isCalm = isResting && parts.nodes().every(isIdle);
    for (const action of actions) {
      const range = byId.get(action.range);
      if (range !== undefined) void this.carryOut(range, action);
    }
  }

  /** What only time gives is not worth a word; what lasts needs a person. */
  private tellStuck(): void {
    const [first] = this.stuckNow;
    this.stuckLooks = first === undefined ? 0 : this.stuckLooks + 1;
    if (first === undefined || this.stuckLooks % STUCK_LOOKS !== STUCK_LOOKS / 2) return;
    const [range, reason] = first;
    const ranges = this.stuckNow.size;
    this.parts.log.warn('ranges need what is not there', { ranges, range, reason });
  }

  private async carryOut(range: PlacedRange, action: PlacementAction): Promise<void> {
    const { log, time } = this.parts;
    const { step, cause, reason } = action;
    const history = this.histories.get(range.range);
    if (history === undefined) return;
    const isLease = step.kind === 'transferLease';
    history.isRunning = true;
    if (isLease) this.leasesRunning += 1;
    const fields = { range: range.range, node: step.node, cause, reason };
    try {
      await this.run(range, action, history);
      history.failures = 0;
      const kind = `${step.kind} ${cause}` as const;
      this.done.set(kind, (this.done.get(kind) ?? 0) + 1);
      log.info(DONE[step.kind], fields);
    } catch (error) {
      // Who stops has broken it off.
      if (this.isStopped) return;
      this.failed += 1;
      history.failures += 1;
      const wait = Math.min(RETRY_MICROS_MAX, RETRY_MICROS_MIN * 2 ** (history.failures - 1));
      history.retryMicros = time.monotonicMicros() + wait;
      log.warn('a range could not be moved', {
        ...fields,
        step: step.kind,
        error: error instanceof DbError ? error.message : String(error),
      });
    } finally {
      history.isRunning = false;
      if (isLease) this.leasesRunning -= 1;
    }
  }

  private async run(
    range: PlacedRange,
    { step, cause, reason }: PlacementAction,
    history: History,
  ): Promise<void> {
    if (step.kind === 'transferLease') {
      const load = Math.max(0, range.leadLoad - range.followLoad);
      await range.transferTo(step.node);
      this.parts.given.add(step.node, load);
      return;
    }
    if (step.kind === 'addLearner') {
      history.intent =
        step.instead === undefined
          ? undefined
          : { learner: step.node, instead: step.instead, cause, reason };
    }
    await range.changeReplicas(step);
  }

  private remember(range: PlacedRange, now: number): History {
    let history = this.histories.get(range.range);
    const { configuration } = range.descriptor;
    if (history === undefined) {
      // New here: by a split, or a start. It may be moved at once: whoever splits for load wants the half elsewhere.
      history = {
        isLeading: range.isLeading,
        leaseMovedMicros: Number.NEGATIVE_INFINITY,
        replicasMovedMicros: Number.NEGATIVE_INFINITY,
        configuration,
        members: membersOf(configuration).join(),
        intent: undefined,
        isRunning: false,
        failures: 0,
        retryMicros: 0,
        look: this.looks,
      };
      this.histories.set(range.range, history);
    }
    if (range.isLeading && !history.isLeading) {
      history.leaseMovedMicros = now;
      history.intent = undefined;
      history.failures = 0;
      history.retryMicros = 0;
    }
    history.isLeading = range.isLeading;
    if (history.configuration !== configuration) {
      const members = membersOf(configuration).join();
      if (history.members !== members) history.replicasMovedMicros = now;
      history.configuration = configuration;
      history.members = members;
    }
    history.look = this.looks;
    return history;
  }

  /** Ranges that are not here any more. */
  private forget(): void {
    for (const [range, { look, isRunning }] of this.histories) {
      if (look !== this.looks && !isRunning) this.histories.delete(range);
    }
  }

  private viewOf(range: PlacedRange, history: History, now: number): RangeView {
    const { settings, self } = this.parts;
    const { configuration } = range.descriptor;
    const { voters, learners } = configuration;
    return {
      range: range.range,
      replicas: [
        ...voters.map((replica) => {
          const node = nodeOf(replica);
          return { node, isVoter: true, isCaughtUp: node === self || range.isCaughtUp(node) };
        }),
        ...learners.map((replica) => {
          const node = nodeOf(replica);
          return { node, isVoter: false, isCaughtUp: range.isCaughtUp(node) };
        }),
      ],
      isChanging: isJoint(configuration),
      factor: range.factor,
      leadLoad: range.leadLoad,
      followLoad: range.followLoad,
      bytes: range.bytes,
      intent: history.intent,
      isLeaseCooling:
        range.isDividing === true ||
        now - history.leaseMovedMicros < settings.get('rebalance.lease_cooldown'),
      areReplicasCooling:
        now - history.replicasMovedMicros < settings.get('rebalance.replica_cooldown'),
    };
  }
}

const DONE: Readonly<Record<PlacementStep['kind'], string>> = {
  addLearner: 'a replica is being added',
  promote: 'a replica has a vote now',
  remove: 'a replica was removed',
  transferLease: 'a lease was moved',
};

function isIdle({ leadLoad, followLoad, capacity }: NodeView): boolean {
  return leadLoad + followLoad < IDLE_SHARE_MAX * capacity;
}
