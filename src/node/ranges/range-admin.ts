// What statements about ranges ask (sql/cluster-admin.ts), answered by asking the nodes that lead them: all at once, for
// what each leads. The directory is asked only for ranges that nobody answers for.

import { compareBytes, keyAfter, toHex } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import { isJoint, membersOf } from '../../raft/configuration.ts';
import { nodeOf } from '../../raft/types.ts';
import { overlaps, type RangeDescriptor } from '../../ranges/descriptor.ts';
import { pause, within } from '../../ranges/within.ts';
import type { NodeId, Random, Timers } from '../../runtime/runtime.ts';
import type {
  HotRangeInfo,
  LoadAdmin,
  RangeAdmin,
  RangeInfo,
  SplitInfo,
} from '../../sql/cluster-admin.ts';
import type { Span } from '../../storage/engine.ts';
import type { Question, RangeDesk } from './range-desk.ts';
import type { RangeReport } from './range-report.ts';

/** A node that hangs must not keep the others' answers back. */
const LIST_MICROS = 2_000_000;
const INFOS_PER_BATCH = 256;
/** A range changes its leader, or is changing already: asked again until then. */
const PATIENCE_MICROS = 10_000_000;
const RETRY_MICROS = 100_000;
/** Splits under way at once. */
const SPLITS_MAX = 8;
const RETRIED: ReadonlySet<string> = new Set(['57P03', '55000', '55006']);
/** Of a lease: it stays where it is then. */
const NOT_TAKEN = '55000';
const ASKED_AGAIN: ReadonlySet<string> = new Set(['57P03']);

export interface RangeAdminParts {
  readonly self: NodeId;
  readonly timers: Timers;
  readonly random: Random;
  readonly desk: RangeDesk;
  /** All that may lead something, this one included. */
  nodes(): readonly NodeId[];
  /** It was heard of lately. */
  isLive(node: NodeId): boolean;
  /** Who leads the range that holds the key, as far as this node's own replicas know. */
  leaderOf(key: Uint8Array): NodeId | undefined;
  /** Of what this node has replicas of. */
  known(span: Span): readonly RangeDescriptor[];
  /** As they were published. */
  directory(): Promise<readonly RangeDescriptor[]>;
}

interface Known {
  readonly descriptor: RangeDescriptor;
  readonly report: RangeReport | undefined;
}

export class ClusterRanges implements RangeAdmin, LoadAdmin {
  readonly #parts: RangeAdminParts;

  constructor(parts: RangeAdminParts) {
    this.#parts = parts;
  }

  async *list(span: Span): AsyncGenerator<readonly RangeInfo[]> {
    const known = await this.#known(span);
    for (let from = 0; from < known.length; from += INFOS_PER_BATCH) {
      yield known.slice(from, from + INFOS_PER_BATCH).map(infoOf);
    }
  }

  async hottest(most: number): Promise<readonly HotRangeInfo[]> {
    const reports = await this.#askAll({ kind: 'hottest', most });
    return reports
      .sort((a, b) => b.currentWork - a.currentWork)
      .slice(0, most)
      .map((report) => ({
        ...infoOf({ descriptor: report.descriptor, report }),
        cpuMillis: report.currentWork / 1000,
        bytesPerSecond: report.bytesPerSecond,
        hotKey: report.hotRow,
      }));
  }

  async *split(keys: readonly Uint8Array[], stickyUntil: Timestamp): AsyncGenerator<SplitInfo> {
    const made = new Map<number, Promise<SplitInfo>>();
    const lanes = new Array<Promise<unknown>>(SPLITS_MAX).fill(Promise.resolve());
    for (const i of middleFirst(keys.length)) {
      const key = keys[i] as Uint8Array;
      const question: Question = { kind: 'split', at: toHex(key), stickyUntil };
      const lane = made.size % SPLITS_MAX;
      const one = (lanes[lane] as Promise<unknown>)
        .then(() => this.#askLeader(key, question))
        .then(splitInfo(key));
      // One that fails is told when its turn comes; the others of its lane go on.
      lanes[lane] = one.catch(() => undefined);
      made.set(i, one);
    }
    for (let i = 0; i < keys.length; i++) yield await (made.get(i) as Promise<SplitInfo>);
  }

  async *unsplit(keys: readonly Uint8Array[]): AsyncGenerator<SplitInfo> {
    for (const key of keys) {
      const [known] = await this.#known({ start: key, end: keyAfter(key) });
      if (known === undefined || compareBytes(known.descriptor.span.start, key) !== 0) {
        throw new DbError('22023', 'no range starts there', {
          hint: 'SHOW RANGES says where ranges start.',
        });
      }
      yield await this.#unstick(key);
    }
  }

  async *unsplitAll(span: Span): AsyncGenerator<SplitInfo> {
    for (const { descriptor } of await this.#known(span)) {
      const { start } = descriptor.span;
      if (compareBytes(start, span.start) < 0 || descriptor.stickyUntil === MIN_TIMESTAMP) continue;
      yield await this.#unstick(start);
    }
  }

  async *scatter(span: Span): AsyncGenerator<RangeInfo> {
    const parts = this.#parts;
    for (const { descriptor, report } of await this.#known(span)) {
      // Whoever does not take it keeps everybody waiting for an election timeout.
      const voters = descriptor.configuration.voters.map(nodeOf);
      const takers = voters.filter((node) => parts.isLive(node));
      const to = takers[parts.random.below(Math.max(1, takers.length))];
      if (to === undefined || isJoint(descriptor.configuration)) continue;
      const { start } = descriptor.span;
      const question: Question = { kind: 'transfer', range: descriptor.range, to };
      const moved = await this.#askLeader(start, question, ASKED_AGAIN).catch((error: unknown) => {
        if (error instanceof DbError && error.code === NOT_TAKEN) return report;
        throw error;
      });
      yield infoOf({ descriptor, report: moved });
    }
  }

  async #unstick(start: Uint8Array): Promise<SplitInfo> {
    const question: Question = { kind: 'stick', start: toHex(start), until: MIN_TIMESTAMP };
    return splitInfo(start)(await this.#askLeader(start, question));
  }

  /** Of all that overlap the span, in key order. */
  async #known(span: Span): Promise<readonly Known[]> {
    const question: Question = {
      kind: 'list',
      start: toHex(span.start),
      end: span.end === undefined ? undefined : toHex(span.end),
    };
    const reports = await this.#askAll(question);
    const known = withoutOverlaps(
      reports.map((report) => ({ descriptor: report.descriptor, report })),
    );
    if (covers(known, span)) return known;
    // A range that was split off a moment ago has nobody who answers for it yet.
    const here = this.#parts.known(span).map((descriptor) => ({ descriptor, report: undefined }));
    const withLocal = withoutOverlaps([...known, ...here]);
    if (covers(withLocal, span)) return withLocal;
    const published = (await this.#parts.directory())
      .filter((descriptor) => overlaps(descriptor.span, span))
      .map((descriptor) => ({ descriptor, report: undefined }));
    return withoutOverlaps([...withLocal, ...published]);
  }

  async #askAll(question: Question): Promise<RangeReport[]> {
    const { desk, timers } = this.#parts;
    const answers = await Promise.all(
      this.#parts
        .nodes()
        .map((node) =>
          within(timers, LIST_MICROS, `asking node ${node}`, desk.ask(node, question)).catch(
            (): readonly RangeReport[] => [],
          ),
        ),
    );
    return answers.flat();
  }

  async #askLeader(key: Uint8Array, question: Question, retried = RETRIED): Promise<RangeReport> {
    const { desk, timers } = this.#parts;
    for (let waited = 0; ; waited += RETRY_MICROS) {
      try {
        const leader = this.#parts.leaderOf(key) ?? (await this.#findLeader(key));
        if (leader === undefined) throw new DbError('57P03', 'no leader of the range is known');
        const [report] = await desk.ask(leader, question);
        if (report === undefined) throw new DbError('57P03', 'the range has no leader');
        return report;
      } catch (error) {
        const isRetried = error instanceof DbError && retried.has(error.code);
        if (!isRetried || waited >= PATIENCE_MICROS) throw error;
        await pause(timers, RETRY_MICROS);
      }
    }
  }

  async #findLeader(key: Uint8Array): Promise<NodeId | undefined> {
    const [known] = await this.#known({ start: key, end: keyAfter(key) });
    return known?.report?.leader;
  }
}

function infoOf({ descriptor, report }: Known): RangeInfo {
  const { configuration } = descriptor;
  return {
    range: descriptor.range,
    span: descriptor.span,
    replicas: membersOf(configuration).map((replica) => ({
      node: nodeOf(replica),
      isLearner: configuration.learners.includes(replica),
    })),
    leaseholder: report?.leader,
    bytes: report?.bytes,
    readsPerSecond: report?.readsPerSecond,
    writesPerSecond: report?.writesPerSecond,
    stickyUntil: descriptor.stickyUntil,
  };
}

function splitInfo(key: Uint8Array): (report: RangeReport) => SplitInfo {
  return ({ descriptor }) => {
    const { range, stickyUntil } = descriptor;
    return { key, range, stickyUntil };
  };
}

/** In key order. Of two that claim the same keys the one whose leader answered is right, or the newer: the other one's
 * node has not heard yet. */
function withoutOverlaps(known: readonly Known[]): readonly Known[] {
  const sorted = [...known].sort((a, b) =>
    compareBytes(a.descriptor.span.start, b.descriptor.span.start),
  );
  const kept: Known[] = [];
  for (const one of sorted) {
    const last = kept.at(-1);
    if (last === undefined || !overlaps(last.descriptor.span, one.descriptor.span)) kept.push(one);
    else if (isBetter(one, last)) kept[kept.length - 1] = one;
  }
  return kept;
}

function isBetter(one: Known, other: Known): boolean {
  const hasReport = one.report !== undefined;
  if (hasReport !== (other.report !== undefined)) return hasReport;
  return one.descriptor.generation > other.descriptor.generation;
}

/** No key of the span is left out. In key order. */
function covers(known: readonly Known[], span: Span): boolean {
  let at: Uint8Array | undefined = span.start;
  for (const { descriptor } of known) {
    if (at === undefined || compareBytes(descriptor.span.start, at) > 0) break;
    at = descriptor.span.end;
  }
  if (at === undefined) return true;
  return span.end !== undefined && compareBytes(at, span.end) >= 0;
}

/** 0 to count - 1, halves before quarters: pieces of a range are split at the same time. */
function* middleFirst(count: number): Generator<number> {
  const spans: (readonly [number, number])[] = [[0, count]];
  for (let i = 0; i < spans.length; i++) {
    const [from, to] = spans[i] as readonly [number, number];
    if (from >= to) continue;
    const middle = (from + to) >> 1;
    yield middle;
    spans.push([from, middle], [middle + 1, to]);
  }
}
