// Finds the route of a key, and mends it: from what ranges say when they are asked in vain (P28), and from the directory.
// Whom a route asks is chosen here: the replica on this node while nothing better is known, the leader once that is.

import { compareBytes, keyAfter } from '../../base/bytes.ts';
import { MAX_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import type { NodeId } from '../../runtime/runtime.ts';
import type { RangeId } from '../../storage/shard.ts';
import type { RangeDescriptor } from '../descriptor.ts';
import type { Elsewhere, RangeEndpoint, RangeHead } from '../endpoint.ts';
import { DATA_SPAN } from '../layout.ts';
import type { Span } from '../requests.ts';
import { ABSENT_RANGE } from './absent-range.ts';
import { RangeCache } from './range-cache.ts';
import type { Route } from './route.ts';

/** The ranges of this node. */
export interface LocalRanges {
  readonly node: NodeId;
  /** The replica of the range here. One that has gone says so when it is asked. */
  find(range: RangeId): RangeEndpoint | undefined;
  /** The same, if it may answer reads at `t` whoever leads the range (P23). */
  reader(range: RangeId, t: Timestamp): RangeEndpoint | undefined;
  /** Up to when it may; undefined: it is not here. */
  safeTime(range: RangeId): Timestamp | undefined;
}

export interface RemoteNodes {
  to(node: NodeId): RangeEndpoint;
}

/** Where descriptors are looked up (directory.ts). */
export interface DescriptorSource {
  /** Of the range that holds the key, and of some that follow; none when the directory has no such. */
  around(key: Uint8Array): Promise<readonly RangeDescriptor[]>;
  /** Of the range that holds what comes just before `end`. */
  before(end: Uint8Array | undefined): Promise<readonly RangeDescriptor[]>;
}

const GHOSTS_MAX = 100;
/** Then it is asked for again: its nodes may know it by now. */
const GHOST_IGNORED_MAX = 3;

type Level = 'directory' | 'data';

export class RouteTable {
  readonly cache: RangeCache = new RangeCache();
  private readonly local: LocalRanges;
  private readonly remote: RemoteNodes;
  private readonly seeds: readonly RangeDescriptor[];
  private readonly source: DescriptorSource;
  /** What the directory has of ranges that none of their nodes knows: they are looked for beside it for a while. */
  private readonly ghosts = new Map<RangeId, { readonly generation: number; ignored: number }>();
  /** Look-ups come one after another: what one finds often serves those who wait. Those of data wait for none but their
   * own kind, as they read the directory, whose ranges must be found meanwhile. */
  private readonly looking: Record<Level, Promise<void> | undefined> = {
    directory: undefined,
    data: undefined,
  };

  /** `seeds`: what the cluster began with. The first of them is the root range, which is always there. */
  constructor(
    local: LocalRanges,
    remote: RemoteNodes,
    seeds: readonly RangeDescriptor[],
    source: DescriptorSource,
  ) {
    this.local = local;
    this.remote = remote;
    this.seeds = seeds;
    this.source = source;
    for (const seed of seeds) this.cache.insert(seed);
  }

  /** Undefined: it is not known, see learn(). */
  find(key: Uint8Array): Route | undefined {
    const route = this.cache.find(key);
    if (route !== undefined && route.endpoint === undefined) this.choose(route);
    return route;
  }

  findBefore(end: Uint8Array | undefined): Route | undefined {
    const route = this.cache.findBefore(end);
    if (route !== undefined && route.endpoint === undefined) this.choose(route);
    return route;
  }

  /** Who is asked for what was at `t`: the replica here where its safe time has come so far, else the leader. */
  readerOf(route: Route, t: Timestamp): RangeEndpoint {
    const leader = route.endpoint as RangeEndpoint;
    if (route.node === this.local.node) return leader;
    return this.local.reader(route.range, t) ?? leader;
  }

  /** See Ranges.readableHere. */
  readableHere(span: Span): Timestamp {
    let least = MAX_TIMESTAMP;
    for (const { node, range } of this.findAll(span) ?? []) {
      const safe = node === this.local.node ? undefined : this.local.safeTime(range);
      if (safe !== undefined && safe < least) least = safe;
    }
    return least;
  }

  /** All routes that hold a part of the span, in the order of their keys; undefined: some are not known. */
  findAll(span: Span): Route[] | undefined {
    const routes: Route[] = [];
    for (let key: Uint8Array | undefined = span.start; key !== undefined; ) {
      const route = this.find(key);
      if (route === undefined) return undefined;
      routes.push(route);
      key = route.covers({ start: key, end: span.end }) ? undefined : route.end;
    }
    return routes;
  }

  /** Looks the key up in the directory. Answers whether find() knows it then. */
  async learn(key: Uint8Array): Promise<boolean> {
    const level = compareBytes(key, DATA_SPAN.start) < 0 ? 'directory' : 'data';
    const isKnown = (): boolean => this.cache.find(key) !== undefined;
    if (await this.look(level, isKnown, () => this.source.around(key))) return true;
    // What was divided lately is not in the directory yet, but its neighbour there knows of it.
    const neighbour = this.cache.findAtOrBefore(key);
    if (neighbour !== undefined) await this.probe(neighbour, { start: key, end: keyAfter(key) });
    return isKnown();
  }

  async learnBefore(end: Uint8Array | undefined): Promise<boolean> {
    const isDirectory = end !== undefined && compareBytes(end, DATA_SPAN.start) <= 0;
    const isKnown = (): boolean => this.cache.findBefore(end) !== undefined;
    const level = isDirectory ? 'directory' : 'data';
    if (await this.look(level, isKnown, () => this.source.before(end))) return true;
    const neighbour = this.cache.findStartingBefore(end);
    if (neighbour?.end !== undefined) {
      await this.probe(neighbour, { start: neighbour.end, end });
    }
    return isKnown();
  }

  /** `route` was asked and answered so. Answers whether it makes sense to ask again at once. */
  correct(route: Route, elsewhere: Elsewhere): boolean {
    return elsewhere.kind === 'wrongRange'
      ? this.correctRange(route, elsewhere.known)
      : this.correctLeader(route, elsewhere);
  }

  correctHead({ range }: RangeHead, elsewhere: Elsewhere): boolean {
    const route = this.cache.in(range);
    if (route !== undefined) return this.correct(route, elsewhere);
    const known = elsewhere.kind === 'wrongRange' ? elsewhere.known : [];
    return this.insertAll(known);
  }

  /** Asks a range for what it does not hold: it tells what it knows of that. */
  private async probe(route: Route, span: Span): Promise<void> {
    if (route.endpoint === undefined) this.choose(route);
    const head = { range: route.range, generation: 0 };
    const answer = await route.endpoint?.approximateBytes(head, span).catch(() => undefined);
    if (
      typeof answer === 'object' &&
      (answer.kind === 'wrongRange' || answer.kind === 'notLeader')
    ) {
      this.correct(route, answer);
    }
  }

  private insertAll(known: readonly RangeDescriptor[]): boolean {
    let hasLearned = false;
    for (const descriptor of known) {
      if (this.cache.insert(descriptor) !== undefined) hasLearned = true;
    }
    return hasLearned;
  }

  private correctRange(route: Route, known: readonly RangeDescriptor[]): boolean {
    const asked = route.node;
    const hasLearned = this.insertAll(known);
    if (hasLearned) {
      // Whoever has told of them has replicas of them, and led what they were: it most likely leads them.
      for (const { range } of known) {
        const other = this.cache.in(range);
        if (other !== undefined && other.endpoint === undefined && asked !== undefined) {
          if (other.nodes.includes(asked)) this.point(other, asked);
        }
      }
      return true;
    }
    if (this.cache.in(route.range) !== route) return true;
    // That node has no such replica, or is behind: another of the range's nodes may know more, and when they all have
    // been asked, the directory.
    if (this.next(route)) return false;
    this.drop(route);
    return false;
  }

  private correctLeader(
    route: Route,
    { leaderNode, known }: Extract<Elsewhere, { kind: 'notLeader' }>,
  ): boolean {
    const asked = route.node;
    const better = known === undefined ? undefined : this.cache.insert(known);
    const current = better ?? this.cache.in(route.range);
    // What is known now is not what was asked: it has its own beliefs.
    if (current === undefined || (current !== route && better === undefined)) return true;
    if (leaderNode !== undefined && leaderNode !== asked) {
      this.point(current, leaderNode);
      return true;
    }
    if (leaderNode !== undefined) {
      // It will serve in a moment, or learn that it does not.
      this.point(current, leaderNode);
      return false;
    }
    current.node ??= asked;
    if (!this.next(current)) current.tried = 0;
    return false;
  }

  /** Asks the next of the range's nodes; false: each was asked in vain. */
  private next(route: Route): boolean {
    const { nodes } = route;
    if (nodes.length === 0) return false;
    const at = route.node === undefined ? -1 : nodes.indexOf(route.node);
    const isRoundOver = ++route.tried >= nodes.length;
    const tried = isRoundOver ? 0 : route.tried;
    this.point(route, nodes[(at + 1) % nodes.length] as NodeId);
    route.tried = tried;
    return !isRoundOver;
  }

  private drop(route: Route): void {
    const { range, generation } = route;
    this.cache.remove(route);
    // Nothing tells where the root is but its replicas: the last that is known of it stays.
    if (this.seeds[0]?.range === range) {
      this.cache.insert(route.descriptor);
      return;
    }
    if (this.ghosts.size >= GHOSTS_MAX) this.ghosts.clear();
    this.ghosts.set(range, { generation, ignored: 0 });
  }

  private isGhost({ range, generation }: RangeDescriptor): boolean {
    const ghost = this.ghosts.get(range);
    if (ghost === undefined) return false;
    if (ghost.generation >= generation && ghost.ignored++ < GHOST_IGNORED_MAX) return true;
    this.ghosts.delete(range);
    return false;
  }

  private choose(route: Route): void {
    const here = this.local.find(route.range);
    if (here !== undefined) {
      route.node = this.local.node;
      route.endpoint = here;
      return;
    }
    const { nodes } = route;
    const others = nodes.filter((node) => node !== this.local.node);
    this.point(route, others[0] ?? nodes[0] ?? this.local.node);
  }

  private point(route: Route, node: NodeId): void {
    route.node = node;
    route.tried = 0;
    const here = node === this.local.node ? this.local.find(route.range) : undefined;
    route.endpoint = node === this.local.node ? (here ?? ABSENT_RANGE) : this.remote.to(node);
  }

  private async look(
    level: Level,
    isKnown: () => boolean,
    ask: () => Promise<readonly RangeDescriptor[]>,
  ): Promise<boolean> {
    while (this.looking[level] !== undefined) {
      await this.looking[level];
      if (isKnown()) return true;
    }
    const looking = ask().then((found) => {
      this.insertAll(found.filter((one) => !this.isGhost(one)));
    });
    // Who waits asks by himself when this fails.
    this.looking[level] = looking.catch(() => undefined);
    try {
      await looking;
    } finally {
      this.looking[level] = undefined;
    }
    return isKnown();
  }
}
