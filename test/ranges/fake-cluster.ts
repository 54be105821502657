// Ranges without replicas: three nodes that serve, from one map, whatever they lead at the moment, refuse everything else
// as endpoint.ts says, and change in the middle of things. A request that a node carries out is checked against what is
// true: nobody but the leader of the range that holds a key ever answers for it.

import { ByteWriter, compareBytes, keyAfter } from '../../src/base/bytes.ts';
import type { Maybe } from '../../src/base/maybe.ts';
import { MIN_TIMESTAMP, type Timestamp, timestamp } from '../../src/clock/timestamp.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import {
  encodeDescriptor,
  holdsKey,
  holdsSpan,
  nodesOf,
  overlaps,
  type RangeDescriptor,
} from '../../src/ranges/descriptor.ts';
import type {
  RangeCommit,
  RangeEndpoint,
  RangeHead,
  RangeLocking,
  RangeRefusal,
  RangeRow,
  RangeRows,
  RangeScanning,
  RangeTxn,
  RangeValues,
  TwoPhaseEndpoint,
} from '../../src/ranges/endpoint.ts';
import { directoryKey, firstDescriptors, mayMergeAt, ROOT_RANGE } from '../../src/ranges/layout.ts';
import { RangeGone } from '../../src/ranges/range-gone.ts';
import type {
  LockSession,
  RowScan,
  RowSlice,
  ScanRequest,
  Span,
  Write,
} from '../../src/ranges/requests.ts';
import type { ScanGrant } from '../../src/ranges/reads/scan-grant.ts';
import { Router } from '../../src/ranges/routing/router.ts';
import { PackedRowReader } from '../../src/rows/packed-rows.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { SimDisk } from '../../src/sim/disk.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import { SimClock } from '../../src/sim/sim-clock.ts';
import { simRuntime } from '../../src/sim/sim-runtime.ts';
import { Life, World } from '../../src/sim/world.ts';
import type { ShardScan, ShardScanBatch, ShardScanRequest } from '../../src/storage/shard.ts';

export const NODES: readonly number[] = [1, 2, 3];
const HERE = 1;
/** Any replica may answer reads at or below it. */
export const CLOSED: Timestamp = timestamp(500);

interface FakeRange {
  descriptor: RangeDescriptor;
  leader: number;
  term: number;
  /** With which it got its span. */
  spanGeneration: number;
  readonly sessions: Map<
    string,
    { token: LockSession; formerly: LockSession[]; keys: Uint8Array[] }
  >;
}

export interface FakeOptions {
  readonly seed: number;
  /** One request in so many has something happen before it is served; 0: nothing ever does. */
  readonly troubleOneIn?: number;
  /** Things that happen; then it is quiet. */
  readonly troubles?: number;
}

export function dataKey(n: number): Uint8Array {
  return Uint8Array.of(0, 0, 1, n >> 8, n & 0xff);
}

export class FakeCluster {
  readonly world: World;
  readonly runtime: Runtime;
  readonly random: SeededRandom;
  readonly router: Router;
  readonly ranges: FakeRange[];
  /** By hex of the key. */
  readonly rows: Map<string, { readonly key: Uint8Array; value: Uint8Array }> = new Map();
  readonly committed: Map<string, number> = new Map();
  /** Of this node; what lies in which is as the test says. */
  readonly stores: readonly FakeStore[];
  storeOf: (range: number) => number = (range) => range % 2;
  troublesLeft: number;
  private readonly troubleOneIn: number;
  private lastRange = 3;
  private lastSession = 0;

  constructor(options: FakeOptions) {
    this.world = new World(options.seed);
    this.random = this.world.random.fork('fake');
    this.runtime = simRuntime({
      world: this.world,
      life: new Life(HERE),
      clock: new SimClock(this.world, 'node', 10),
      disk: new SimDisk(this.world, 'disk'),
      network: new SimNetwork(this.world),
    });
    this.troubleOneIn = options.troubleOneIn ?? 0;
    this.troublesLeft = options.troubles ?? 0;
    this.stores = [new FakeStore(this), new FakeStore(this)];
    const seeds = firstDescriptors([...NODES]);
    this.ranges = seeds.map((descriptor) => ({
      descriptor,
      leader: this.pick(NODES),
      term: 1,
      spanGeneration: 1,
      sessions: new Map(),
    }));
    for (const range of this.ranges) this.publish(range);
    const nodes = new Map(NODES.map((node) => [node, new FakeNode(this, node)]));
    const follower = new FakeNode(this, HERE, true);
    this.router = new Router({
      runtime: this.runtime,
      clock: { latest: () => timestamp(1_000_000) },
      seeds,
      local: {
        node: HERE,
        find: (range) => (this.replica(HERE, range) === undefined ? undefined : nodes.get(HERE)),
        reader: (range, t) =>
          t > CLOSED || this.replica(HERE, range) === undefined ? undefined : follower,
        safeTime: (range) => (this.replica(HERE, range) === undefined ? undefined : CLOSED),
      },
      remote: { to: (node) => nodes.get(node) as RangeEndpoint },
    });
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.rows.set(hex(key), { key, value });
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.rows.get(hex(key))?.value;
  }

  /** In the order of their keys. */
  rowsIn(span: Span): { readonly key: Uint8Array; readonly value: Uint8Array }[] {
    return [...this.rows.values()]
      .filter(
        ({ key }) =>
          compareBytes(key, span.start) >= 0 &&
          (span.end === undefined || compareBytes(key, span.end) < 0),
      )
      .sort((a, b) => compareBytes(a.key, b.key));
  }

  replica(node: number, range: number): FakeRange | undefined {
    return this.ranges.find(
      ({ descriptor }) => descriptor.range === range && nodesOf(descriptor).includes(node),
    );
  }

  known(node: number, span: Span): RangeDescriptor[] {
    return this.ranges
      .map(({ descriptor }) => descriptor)
      .filter((one) => nodesOf(one).includes(node) && overlaps(one.span, span));
  }

  holding(key: Uint8Array): FakeRange {
    return this.ranges.find(({ descriptor }) => holdsKey(descriptor, key)) as FakeRange;
  }

  newSession(range: FakeRange): LockSession {
    const { range: id, generation } = range.descriptor;
    return { range: id, generation, term: range.term, session: ++this.lastSession };
  }

  /** Simulated time passes until the promise is settled. */
  async until<T>(promise: T | Promise<T>): Promise<T> {
    if (!(promise instanceof Promise)) return promise;
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    const limit = this.world.nowMicros + 600_000_000;
    if (!(await this.world.run(() => isSettled, limit))) throw new Error('it never ends');
    return promise;
  }

  async quiet(): Promise<void> {
    await this.world.run(() => false, this.world.nowMicros + 60_000_000);
  }

  perhapsTrouble(): void {
    if (this.troubleOneIn === 0 || this.troublesLeft === 0) return;
    if (!this.random.oneIn(this.troubleOneIn)) return;
    this.troublesLeft--;
    this.trouble();
  }

  trouble(): void {
    const range = this.pick(this.ranges);
    const { random } = this;
    switch (random.below(5)) {
      case 0:
      case 1:
        this.split(range, dataKey(random.below(300)));
        break;
      case 2:
        this.merge(range);
        break;
      case 3:
        this.lead(range, this.pick(nodesOf(range.descriptor)));
        break;
      default:
        this.moveReplica(range);
    }
    // The directory learns of some of it, of some later, and of some never before it has changed again.
    for (const one of this.ranges) if (random.oneIn(2)) this.publish(one);
  }

  split(range: FakeRange, at: Uint8Array): void {
    const { descriptor } = range;
    if (descriptor.range === ROOT_RANGE || !holdsKey(descriptor, at)) return;
    if (compareBytes(descriptor.span.start, at) === 0) return;
    const generation = descriptor.generation + 1;
    const right: FakeRange = {
      descriptor: {
        ...descriptor,
        range: ++this.lastRange,
        span: { start: at, end: descriptor.span.end },
        generation,
      },
      leader: range.leader,
      term: 1,
      spanGeneration: generation,
      sessions: new Map(),
    };
    range.descriptor = {
      ...descriptor,
      span: { start: descriptor.span.start, end: at },
      generation,
    };
    range.spanGeneration = generation;
    for (const [txn, session] of range.sessions) {
      const keys = session.keys.filter((key) => compareBytes(key, at) >= 0);
      if (keys.length === 0) continue;
      right.sessions.set(txn, {
        token: this.newSession(right),
        formerly: [session.token, ...session.formerly],
        keys,
      });
    }
    this.ranges.push(right);
  }

  merge(left: FakeRange): void {
    const { end } = left.descriptor.span;
    if (end === undefined || !mayMergeAt(end)) return;
    const right = this.holding(end);
    const generation = Math.max(left.descriptor.generation, right.descriptor.generation) + 1;
    this.ranges.splice(this.ranges.indexOf(right), 1);
    const span = { start: left.descriptor.span.start, end: right.descriptor.span.end };
    left.descriptor = { ...left.descriptor, span, generation };
    left.spanGeneration = generation;
  }

  lead(range: FakeRange, node: number): void {
    range.leader = node;
    range.term++;
    range.sessions.clear();
  }

  /** From three nodes to two of them, and back. */
  moveReplica(range: FakeRange): void {
    const { descriptor } = range;
    const nodes = nodesOf(descriptor);
    const gone = nodes.length < 3 ? undefined : this.pick(nodes);
    const members = NODES.filter((node) => node !== gone);
    range.descriptor = {
      ...descriptor,
      generation: descriptor.generation + 1,
      configuration: configurationOf(members.map((node) => 0x10000 * descriptor.generation + node)),
    };
    if (range.leader === gone) this.lead(range, this.pick(members));
  }

  publish({ descriptor }: FakeRange): void {
    const { span } = descriptor;
    const table = directoryKey(span.start);
    for (const { key } of this.rowsIn({
      start: table,
      end: span.end === undefined ? undefined : directoryKey(span.end),
    })) {
      // Rows of what it has taken the place of.
      if (key[3] === table[3] && key.length > 4) this.rows.delete(hex(key));
    }
    this.put(table, encodeDescriptor(descriptor));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)] as T;
  }
}

class FakeNode implements RangeEndpoint, TwoPhaseEndpoint {
  private readonly cluster: FakeCluster;
  private readonly node: number;
  /** It answers whoever leads. */
  private readonly isReader: boolean;

  constructor(cluster: FakeCluster, node: number, isReader = false) {
    this.cluster = cluster;
    this.node = node;
    this.isReader = isReader;
  }

  get twoPhase(): TwoPhaseEndpoint {
    return this;
  }

  readAt(
    head: RangeHead,
    key: Uint8Array,
    _t: Timestamp,
    into: RowSlice,
  ): Maybe<true | RangeRefusal> {
    const asked = { range: head.range, generation: head.generation };
    return this.soon(() => {
      const refusal = this.refusal(asked, { start: key, end: keyAfter(key) });
      if (refusal !== undefined) return refusal;
      fill(into, this.cluster.get(key));
      return true;
    });
  }

  getAt(head: RangeHead, keys: readonly Uint8Array[]): Maybe<RangeValues> {
    return this.soon(() => {
      const refusal = this.refusalOfKeys(head, keys);
      return refusal ?? { kind: 'values', values: keys.map((key) => this.cluster.get(key)) };
    });
  }

  scanAt(head: RangeHead, request: ScanRequest): RowScan {
    return new FakeScan(this.cluster, request, () => this.refusal(head, request.span));
  }

  grantScan(head: RangeHead, span: Span): ScanGrant | undefined {
    const { cluster } = this;
    if (this.node !== HERE || this.refusal(head, span) !== undefined) return undefined;
    // It has something to wait for.
    if (cluster.troublesLeft > 0 && cluster.random.oneIn(8)) return undefined;
    const check = (): void => {
      const refusal = this.refusal(head, span);
      if (refusal !== undefined) throw new RangeGone(refusal, head);
    };
    const shard = cluster.stores[cluster.storeOf(head.range)] as FakeStore;
    return { span, shard, check, gate: ALWAYS_PASSED, load: NOT_COUNTED };
  }

  lockedRead(
    head: RangeHead,
    { id, session }: RangeTxn,
    _locking: RangeLocking,
    key: Uint8Array,
    into: RowSlice,
  ): Maybe<RangeRow> {
    return this.soon(() => {
      const refusal = this.refusal(head, { start: key, end: keyAfter(key) });
      if (refusal !== undefined) return refusal;
      const token = this.session(head, id, session, [key]);
      if ('kind' in token) return token;
      fill(into, this.cluster.get(key));
      return { kind: 'row', session: token };
    });
  }

  lockedGet(
    head: RangeHead,
    { id, session }: RangeTxn,
    _locking: RangeLocking,
    keys: readonly Uint8Array[],
  ): Maybe<RangeRows> {
    return this.soon(() => {
      const refusal = this.refusalOfKeys(head, keys);
      if (refusal !== undefined) return refusal;
      const token = this.session(head, id, session, keys);
      if ('kind' in token) return token;
      const rows = keys.map((key) => this.cluster.get(key));
      return { kind: 'rows', session: token, rows };
    });
  }

  lockedScan(
    head: RangeHead,
    { id, session }: RangeTxn,
    _locking: RangeLocking,
    request: ScanRequest,
  ): Maybe<RangeScanning> {
    return this.soon(() => {
      const refusal = this.refusal(head, request.span);
      if (refusal !== undefined) return refusal;
      const token = this.session(head, id, session, [request.span.start]);
      if ('kind' in token) return token;
      const scan = new FakeScan(this.cluster, request, () => this.refusal(head, request.span));
      return { kind: 'scan', session: token, scan };
    });
  }

  /** Carried out or not, it is not always told so. */
  async commit(head: RangeHead, txn: RangeTxn, writes: readonly Write[]): Promise<RangeCommit> {
    const { id, session } = txn;
    const { random } = this.cluster;
    const asked = { range: head.range, generation: head.generation };
    const isTroubled = this.cluster.troublesLeft > 0;
    const isLostBefore = isTroubled && random.oneIn(12);
    const isLostAfter = isTroubled && random.oneIn(12);
    const ambiguous: RangeCommit = { kind: 'ambiguous', message: 'the stream broke' };
    await this.pass();
    if (isLostBefore) return ambiguous;
    const refusal = this.refusalOfKeys(
      asked,
      writes.map(({ key }) => key),
      true,
    );
    if (refusal !== undefined) return refusal;
    const { committed } = this.cluster;
    const range = this.cluster.replica(this.node, asked.range) as FakeRange;
    if (!committed.has(id)) {
      if (session !== undefined) {
        const known = range.sessions.get(id);
        if (known === undefined || !isOf(known, session)) {
          return { kind: 'sessionGone', message: 'it is not known here' };
        }
      }
      for (const { key, value } of writes) {
        if (value === undefined) this.cluster.rows.delete(hex(key));
        else this.cluster.put(key, value);
      }
      range.sessions.delete(id);
      committed.set(id, (committed.get(id) ?? 0) + 1);
    }
    return isLostAfter ? ambiguous : { kind: 'committed', timestamp: timestamp(7) };
  }

  /** What a range has handed over to others is on the same node: whoever is not known, or has heirs, is let go of in all
   * of them. */
  release(_head: RangeHead, { id }: RangeTxn): void {
    for (const { leader, sessions } of this.cluster.ranges) {
      if (leader === this.node) sessions.delete(id);
    }
  }

  bulkWrite(head: RangeHead, writes: readonly Write[]): Promise<RangeCommit> {
    return this.write(head, writes);
  }

  async clearSpan(head: RangeHead, span: Span): Promise<RangeCommit> {
    await this.pass();
    const refusal = this.refusal(head, span);
    if (refusal !== undefined) return refusal;
    for (const { key } of this.cluster.rowsIn(span)) this.cluster.rows.delete(hex(key));
    return { kind: 'committed', timestamp: timestamp(9) };
  }

  async approximateBytes(head: RangeHead, span: Span): Promise<number | RangeRefusal> {
    await this.pass();
    return this.refusal(head, span) ?? this.cluster.rowsIn(span).length;
  }

  prepare(): never {
    throw new Error('it is not asked');
  }
  confirm(): never {
    throw new Error('it is not asked');
  }
  decide(): never {
    throw new Error('it is not asked');
  }
  resolve(): never {
    throw new Error('it is not asked');
  }
  inquire(): never {
    throw new Error('it is not asked');
  }
  settled(): never {
    throw new Error('it is not asked');
  }

  private async write(head: RangeHead, writes: readonly Write[]): Promise<RangeCommit> {
    await this.pass();
    const refusal = this.refusalOfKeys(
      head,
      writes.map(({ key }) => key),
    );
    if (refusal !== undefined) return refusal;
    for (const { key, value } of writes) this.cluster.put(key, value as Uint8Array);
    return { kind: 'committed', timestamp: timestamp(8) };
  }

  private session(
    { range: id }: RangeHead,
    txn: string,
    quoted: LockSession | undefined,
    keys: readonly Uint8Array[],
  ): LockSession | RangeRefusal {
    const range = this.cluster.replica(this.node, id) as FakeRange;
    let session = range.sessions.get(txn);
    if (quoted !== undefined && (session === undefined || !isOf(session, quoted))) {
      return { kind: 'sessionGone', message: 'it is not known here' };
    }
    if (session === undefined) {
      session = { token: this.cluster.newSession(range), formerly: [], keys: [] };
      range.sessions.set(txn, session);
    }
    session.keys.push(...keys.map((key) => key.slice()));
    return session.token;
  }

  private refusalOfKeys(
    head: RangeHead,
    keys: readonly Uint8Array[],
    isWhole = false,
  ): RangeRefusal | undefined {
    for (const key of keys) {
      const refusal = this.refusal(head, { start: key, end: keyAfter(key) }, isWhole);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /** Why this node does not answer; if it does, it is the one that may. */
  private refusal(
    { range, generation }: RangeHead,
    span: Span,
    isWhole = false,
  ): RangeRefusal | undefined {
    const { cluster, node } = this;
    const replica = cluster.replica(node, range);
    if (replica === undefined) return { kind: 'wrongRange', known: cluster.known(node, span) };
    const { descriptor, leader } = replica;
    const isBehind = isWhole && generation !== 0 && generation < replica.spanGeneration;
    if (!holdsSpan(descriptor, span) || isBehind) {
      return { kind: 'wrongRange', known: [descriptor, ...cluster.known(node, span)] };
    }
    if (leader !== node && (!this.isReader || cluster.random.oneIn(6))) {
      const leaderNode = cluster.random.oneIn(3) ? undefined : leader;
      return { kind: 'notLeader', leaderNode, message: 'another leads', known: descriptor };
    }
    return undefined;
  }

  /** At once, or after a while in which other things happen. */
  private soon<A extends object | true>(serve: () => A): Maybe<A | RangeRefusal> {
    const { cluster } = this;
    if (cluster.random.oneIn(3)) return serve();
    return this.pass().then((): A | RangeRefusal => {
      if (cluster.troublesLeft > 0 && cluster.random.oneIn(25)) {
        const message = 'the stream broke';
        return { kind: 'notLeader', leaderNode: undefined, message, known: undefined };
      }
      return serve();
    });
  }

  private async pass(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.cluster.world.after(this.cluster.random.below(2_000), undefined, resolve);
    });
    this.cluster.perhapsTrouble();
  }
}

const ALWAYS_PASSED = { hasPassed: () => true, waitUntilPassed: () => Promise.resolve() };
const NOT_COUNTED = { scanOpened: () => undefined, scanned: () => undefined };

class FakeStore {
  /** What was scanned. */
  readonly spans: Span[] = [];
  private readonly cluster: FakeCluster;

  constructor(cluster: FakeCluster) {
    this.cluster = cluster;
  }

  scan(request: ShardScanRequest): ShardScan {
    this.spans.push(request.span);
    return new FakeScan(this.cluster, request, () => undefined);
  }
}

/** A few rows at a time; it is refused in the middle when its range is not what it was. With a program it counts. */
class FakeScan implements ShardScan {
  private readonly cluster: FakeCluster;
  private readonly request: ScanRequest;
  private readonly refusal: () => RangeRefusal | undefined;
  private readonly rows: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
  private at = 0;
  private isOver = false;
  private isAsked = false;

  constructor(cluster: FakeCluster, request: ScanRequest, refusal: () => RangeRefusal | undefined) {
    this.cluster = cluster;
    this.request = request;
    this.refusal = refusal;
    const rows = cluster.rowsIn(request.span);
    if (request.reverse) rows.reverse();
    this.rows = request.limitRows === 0 ? rows : rows.slice(0, request.limitRows);
  }

  async next(): Promise<ShardScanBatch | undefined> {
    await new Promise<void>((resolve) => {
      this.cluster.world.after(this.cluster.random.below(500), undefined, resolve);
    });
    this.cluster.perhapsTrouble();
    if (!this.isAsked || this.cluster.random.oneIn(2)) {
      const refusal = this.refusal();
      if (refusal !== undefined) throw new RangeGone(refusal);
    }
    this.isAsked = true;
    if (this.isOver) return undefined;
    const count = 1 + this.cluster.random.below(4);
    const rows = this.rows.slice(this.at, this.at + count);
    this.at += rows.length;
    this.isOver = this.at >= this.rows.length;
    if (rows.length === 0) return undefined;
    return this.batchOf(rows, this.isOver ? undefined : rows.at(-1)?.key);
  }

  close(): void {
    this.isOver = true;
  }

  private batchOf(
    rows: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[],
    lastKey: Uint8Array | undefined,
  ): ShardScanBatch {
    const newest = MIN_TIMESTAMP;
    const writer = new ByteWriter(64);
    if (this.request.program === undefined) {
      for (const { key, value } of rows) {
        writer.block(key);
        writer.block(value);
      }
      return { rows: writer.take(), rowCount: rows.length, newest, lastKey };
    }
    writer.block(new Uint8Array(0));
    writer.block(Uint8Array.of(rows.length));
    return { rows: writer.take(), rowCount: 1, newest, lastKey };
  }
}

function isOf(
  { token, formerly }: { readonly token: LockSession; readonly formerly: readonly LockSession[] },
  quoted: LockSession,
): boolean {
  return [token, ...formerly].some(
    (one) => one.session === quoted.session && one.range === quoted.range,
  );
}

function fill(into: RowSlice, value: Uint8Array | undefined): void {
  into.bytes = value ?? new Uint8Array(0);
  into.offset = 0;
  into.length = value === undefined ? -1 : value.length;
  into.timestamp = MIN_TIMESTAMP;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export async function readAll(scan: RowScan): Promise<{ key: string; value: Uint8Array }[]> {
  const out: { key: string; value: Uint8Array }[] = [];
  const reader = new PackedRowReader();
  let wasLast = false;
  for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
    if (wasLast) throw new Error('a batch came after the last');
    wasLast = batch.isLast === true;
    reader.reset(batch.rows);
    while (reader.next()) out.push({ key: hex(reader.key()), value: reader.row() });
  }
  scan.close();
  return out;
}
