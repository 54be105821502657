// P23: what a replica has applied is all that was ever written at or below what is closed for it, whoever led since, and
// whatever happened meanwhile; groups that sleep are closed without being woken.
import { describe, expect, it } from 'vitest';
import { MIN_TIMESTAMP, type Timestamp } from '../../src/clock/timestamp.ts';
import { ClosedMarks } from '../../src/raft/closed-marks.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { bytesOf, type Node, SchedulerCluster } from './scheduler-cluster.ts';

function time(micros: number): Timestamp {
  return micros as Timestamp;
}

describe('the marks of a replica', () => {
  it('count once the log is applied as far as they reach', () => {
    const marks = new ClosedMarks();
    expect(marks.reachedBy(100)).toBe(MIN_TIMESTAMP);
    marks.mark(5, time(50));
    marks.mark(7, time(60));
    expect(marks.reachedBy(4)).toBe(MIN_TIMESTAMP);
    expect(marks.reachedBy(6)).toBe(50);
    expect(marks.reachedBy(7)).toBe(60);
    marks.mark(7, time(70));
    expect(marks.reachedBy(7)).toBe(70);
  });

  it('may come late, twice, and of a leader whose log is shorter', () => {
    const marks = new ClosedMarks();
    marks.mark(9, time(50));
    marks.mark(9, time(50));
    marks.mark(7, time(40));
    expect(marks.reachedBy(8)).toBe(MIN_TIMESTAMP);
    marks.mark(8, time(60));
    expect(marks.reachedBy(8)).toBe(60);
  });

  it('are few, though nothing is applied for long', () => {
    const marks = new ClosedMarks();
    for (let i = 1; i <= 1000; i++) marks.mark(i, time(i));
    expect(marks.reachedBy(3)).toBe(3);
    expect(marks.reachedBy(999)).toBeLessThan(999);
    expect(marks.reachedBy(1000)).toBe(1000);
  });

  it('are those of the leader’s node while the group sleeps, and stay when it wakes', () => {
    const marks = new ClosedMarks();
    const hearing = { heardAtMicros: 0, closedAt: time(10) };
    marks.attach(hearing, 5);
    expect(marks.reachedBy(4)).toBe(MIN_TIMESTAMP);
    hearing.closedAt = time(20);
    expect(marks.reachedBy(5)).toBe(20);
    hearing.closedAt = time(30);
    marks.detach();
    hearing.closedAt = time(40);
    expect(marks.reachedBy(5)).toBe(30);
  });

  it('of a parent are a child’s as far as they were made before the split (P25)', () => {
    const parent = new ClosedMarks();
    parent.mark(5, time(50));
    parent.mark(6, time(60));
    const child = new ClosedMarks();
    child.inherit(parent, 5);
    expect(child.reachedBy(1)).toBe(50);
  });
});

/** Writes as leaders of ranges make them, with timestamps that they assign under their leases; and what each replica
 * could show of them now and then. */
class Writers {
  readonly cluster: SchedulerCluster;
  readonly readings: { readonly closed: number; readonly written: string; readonly who: string }[] =
    [];
  /** Entries tell their timestamps as microseconds since then. */
  private readonly since: number;

  constructor(cluster: SchedulerCluster) {
    this.cluster = cluster;
    this.since = cluster.node(1).clock.earliest() - 1;
  }

  write(node: Node): void {
    if (!node.life.alive || !node.replica().isLeading) return;
    const { store, group } = node.replica();
    const s = node.clock.issue();
    // P1: a new leader's floor.
    if (s <= this.since + (store.numbers.at(-1) ?? 0) || !group.lease.covers(s)) return;
    void node.scheduler.propose(group, bytesOf(s - this.since));
  }

  /** How far the node lags behind the present, in microseconds. */
  read(node: Node): number {
    const { store, group } = node.replica();
    const closed = group.closedAt(store.appliedIndex);
    if (closed === MIN_TIMESTAMP) return Number.POSITIVE_INFINITY;
    const written = this.below(store.numbers, closed - this.since);
    this.readings.push({ closed: closed - this.since, written, who: `node ${node.id}` });
    return node.clock.latest() - closed;
  }

  private below(numbers: readonly number[], closed: number): string {
    return numbers.filter((s) => s <= closed).join(' ');
  }

  /** Throws when any reading lacked something that is there in the end. */
  check(numbers: readonly number[]): void {
    for (const { closed, written, who } of this.readings) {
      if (this.below(numbers, closed) === written) continue;
      throw new Error(`${who} lacked what was written at or below ${closed}, which was closed`);
    }
  }
}

/** Everything happens to a cluster that writes, and sleeps now and then. */
async function weather(seed: number, bugs: ReadonlySet<string> = new Set()) {
  const cluster = await SchedulerCluster.start({ seed, bugs });
  await cluster.leader();
  const writers = new Writers(cluster);
  const random = new SeededRandom(seed);
  const counts = { asleep: 0, readings: 0 };
  for (let step = 0; step < 150; step++) {
    const node = cluster.node(1 + random.below(3));
    switch (random.below(14)) {
      case 0:
        cluster.isolate(node);
        break;
      case 1:
        for (const other of cluster.others(node)) {
          if (random.below(2) === 0) cluster.network.cut(node.id, other.id);
          else cluster.network.cut(other.id, node.id);
        }
        break;
      case 2:
      case 3:
      case 4:
        cluster.network.heal();
        break;
      case 5:
        if (cluster.nodes.every(({ life }) => life.alive)) node.crash(random.below(2) === 0);
        break;
      case 6:
        for (const one of cluster.nodes) if (!one.life.alive) await cluster.startNode(one);
        break;
      case 7:
        if (node.life.alive) {
          void node.scheduler.transfer(node.replica().group, 1 + random.below(3));
        }
        break;
      case 8:
        await cluster.pass(1 + random.below(2));
        break;
      default:
        for (let i = random.below(4); i >= 0; i--) {
          for (const one of cluster.nodes) writers.write(one);
        }
    }
    await cluster.pass(random.below(200) / 1000);
    for (const one of cluster.nodes) {
      if (!one.life.alive) continue;
      writers.read(one);
      if (one.scheduler.awakeGroups === 0) counts.asleep++;
    }
  }
  cluster.network.heal();
  for (const one of cluster.nodes) if (!one.life.alive) await cluster.startNode(one);
  await cluster.leader();
  await cluster.pass(3);
  counts.readings = writers.readings.length;
  writers.check(await cluster.agree());
  return counts;
}

/** A leader is cut off from all but one follower, which hears only it, for as long as it takes the others to elect
 * another. Whether both led at one time. */
async function replacement(seed: number, bugs: ReadonlySet<string> = new Set()): Promise<boolean> {
  const cluster = await SchedulerCluster.start({ seed, nodes: 5, bugs });
  const old = await cluster.leader();
  const writers = new Writers(cluster);
  writers.write(old);
  await cluster.pass(0.5);
  const [follower, ...others] = cluster.others(old) as [Node, ...Node[]];
  cluster.isolate(old);
  cluster.isolate(follower);
  cluster.network.join(old.id, follower.id);
  let replaced = false;
  for (let i = 0; i < 150; i++) {
    await cluster.pass(0.01);
    for (const node of others) writers.write(node);
    writers.read(follower);
    replaced ||= old.replica().isLeading && others.some((node) => node.replica().isLeading);
  }
  cluster.network.heal();
  await cluster.pass(3);
  writers.check(await cluster.agree());
  return replaced;
}

describe('closed timestamps', () => {
  it('follow the present in groups that work', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    const writers = new Writers(cluster);
    for (let i = 0; i < 40; i++) {
      writers.write(leader);
      await cluster.pass(0.05);
    }
    for (const node of cluster.others(leader)) {
      expect(writers.read(node)).toBeLessThan(500_000);
    }
    writers.check(await cluster.agree());
  });

  it('follow it in groups that sleep, without waking them', async () => {
    const cluster = await SchedulerCluster.start({ groups: 20 });
    for (let id = 1; id <= 20; id++) await cluster.leader(id);
    const isAsleep = (): boolean =>
      cluster.nodes.every(({ scheduler }) => scheduler.awakeGroups === 0);
    await cluster.until(isAsleep, 'a time when all groups sleep');
    for (const node of cluster.nodes) node.frames = new Map();
    await cluster.pass(5);
    expect(isAsleep()).toBe(true);
    expect(cluster.nodes.map(({ frames }) => frames.size)).toEqual([0, 0, 0]);
    for (let id = 1; id <= 20; id++) {
      const leader = await cluster.leader(id);
      for (const node of cluster.others(leader)) {
        const { group, store } = node.replica(id);
        const lag = node.clock.latest() - group.closedAt(store.appliedIndex);
        expect(lag).toBeLessThan(500_000);
      }
    }
  });

  it('stand still for whoever does not apply', async () => {
    const cluster = await SchedulerCluster.start({ seed: 2 });
    const leader = await cluster.leader();
    const [slow] = cluster.others(leader) as [Node];
    let letGo = (): void => {};
    slow.replica().hold = new Promise((resolve) => {
      letGo = resolve;
    });
    const writers = new Writers(cluster);
    // What is handed over now is the last for a while.
    writers.write(leader);
    await cluster.pass(1);
    const { group, store } = slow.replica();
    const before = group.closedAt(store.appliedIndex);
    writers.write(leader);
    await cluster.pass(5);
    const lagMicros = slow.clock.latest() - group.closedAt(store.appliedIndex);
    expect(group.closedAt(store.appliedIndex)).toBeGreaterThanOrEqual(before);
    expect(lagMicros).toBeGreaterThan(4_000_000);
    slow.replica().hold = undefined;
    letGo();
    await cluster.pass(1);
    expect(slow.clock.latest() - group.closedAt(store.appliedIndex)).toBeLessThan(500_000);
    writers.check(await cluster.agree());
  });

  it('hold through everything that happens to a cluster', async () => {
    const total = { asleep: 0, readings: 0 };
    for (let seed = 1; seed <= 8; seed++) {
      const { asleep, readings } = await weather(seed);
      total.asleep += asleep;
      total.readings += readings;
    }
    // It was not idle.
    expect(total.readings).toBeGreaterThan(700);
    expect(total.asleep).toBeGreaterThan(10);
  });

  it('hold for a follower that hears nobody but a leader whom others have replaced', async () => {
    let replaced = 0;
    for (let seed = 1; seed <= 8; seed++) if (await replacement(seed)) replaced++;
    expect(replaced).toBeGreaterThan(0);
  });

  it('would not if that leader closed beyond its lease', async () => {
    let found: string | undefined;
    for (let seed = 1; seed <= 20 && found === undefined; seed++) {
      try {
        await replacement(seed, new Set(['raft.close-beyond-lease']));
      } catch (error) {
        found = (error as Error).message;
      }
    }
    expect(found).toMatch(/lacked what was written/);
  });
});
