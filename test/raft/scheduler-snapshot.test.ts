// Replicas that lack what the log has forgotten: they pull snapshots, through crashes at bad moments, while everything
// else goes on; and how much a log keeps for those who lag, so that they need none.
import { describe, expect, it } from 'vitest';
import { EMPTY_CONFIGURATION } from '../../src/raft/configuration.ts';
import { type Node, Replica, SchedulerCluster, SMALL_OPTIONS } from './scheduler-cluster.ts';

const NOTHING_KEPT = {
  ...SMALL_OPTIONS,
  retention: { keptBytes: 0, laggingBytes: 0, snapshotBytes: 1024 * 1024 },
};

function numbers(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

async function proposeAll(
  cluster: SchedulerCluster,
  node: Node,
  list: readonly number[],
): Promise<void> {
  const answers = await cluster.wait(
    Promise.all(list.map((number) => node.propose(number, 1, 100))),
  );
  expect(answers.every(({ kind }) => kind === 'committed')).toBe(true);
}

function truncate(node: Node, groupId = 1): void {
  const { group } = node.replica(groupId);
  node.scheduler.truncate(group, group.delivered);
}

/** A leader whose log has forgotten what a follower, cut off, lacks. */
async function withStraggler(seed: number): Promise<{
  cluster: SchedulerCluster;
  leader: Node;
  straggler: Node;
}> {
  const cluster = await SchedulerCluster.start({ seed, groups: 2, options: NOTHING_KEPT });
  const leader = await cluster.leader();
  await proposeAll(cluster, leader, numbers(10));
  const [straggler] = cluster.others(leader) as [Node];
  cluster.isolate(straggler);
  await cluster.pass(2);
  const next = await cluster.leader(1, cluster.others(straggler));
  await proposeAll(cluster, next, numbers(30, 10));
  // What was on its way is lost, and both have heard what has committed.
  await cluster.pass(0.5);
  for (const node of cluster.others(straggler)) truncate(node);
  return { cluster, leader: next, straggler };
}

describe('a follower far behind', () => {
  it('pulls a snapshot and goes on from there, while its other groups work', async () => {
    const { cluster, leader, straggler } = await withStraggler(1);
    const other = straggler.replica(2);
    cluster.network.heal();
    await cluster.until(() => straggler.replica().events.includes('pull'), 'the pull');
    // It is under way.
    await cluster.lead(straggler, 2);
    expect((await cluster.wait(straggler.propose(77, 2))).kind).toBe('committed');
    expect(other.store.numbers).toEqual([77]);
    await proposeAll(cluster, leader, numbers(5, 40));
    expect(await cluster.agree()).toEqual(numbers(45));
    const { events, group } = straggler.replica();
    expect(events.filter((event) => event === 'pull')).toHaveLength(1);
    expect(group.log.firstIndex).toBeGreaterThan(30);

    straggler.crash();
    await cluster.startNode(straggler);
    await proposeAll(cluster, leader, [45]);
    expect(await cluster.agree()).toEqual(numbers(46));
    expect(straggler.replica().events).not.toContain('pull');
  });

  it('that stopped before its log began anew begins it at the start (P31)', async () => {
    const { cluster, leader, straggler } = await withStraggler(2);
    straggler.crash();
    const source = leader.replica();
    const mark = leader.scheduler.snapshotMark(source.group, source.store.appliedIndex);
    const store = straggler.replica().store;
    store.numbers = [...source.store.numbers];
    store.appliedIndex = mark.index;
    store.installed = mark;
    cluster.network.heal();
    await cluster.startNode(straggler);
    const { group, events } = straggler.replica();
    expect([group.log.firstIndex, group.log.lastIndex]).toEqual([mark.index + 1, mark.index]);
    await proposeAll(cluster, leader, numbers(3, 40));
    expect(await cluster.agree()).toEqual(numbers(43));
    expect(events).not.toContain('pull');
  });

  it('that stopped in the middle of an installation keeps log and vote, and gets its state anew', async () => {
    const { cluster, leader, straggler } = await withStraggler(3);
    straggler.crash();
    const before = straggler.replica().store;
    straggler.stores.clear();
    cluster.network.heal();
    await straggler.start();
    const replica = straggler.run(1, undefined, { lacksState: true });
    // What others rely on when it votes.
    expect(replica.group.core.lastIndex).toBeGreaterThanOrEqual(before.appliedIndex);
    expect(replica.group.core.term).toBeGreaterThan(0);
    expect(await cluster.agree()).toEqual(numbers(40));
    expect(replica.events.slice(0, 3)).toEqual(
      expect.arrayContaining(['following', 'pull', expect.stringContaining('installed')]),
    );
    await proposeAll(cluster, leader, numbers(3, 40));
    expect(await cluster.agree()).toEqual(numbers(43));
  });

  it('without state helps to elect others, and never leads before it has one', async () => {
    const cluster = await SchedulerCluster.start({ seed: 4, options: NOTHING_KEPT });
    const leader = await cluster.leader();
    await proposeAll(cluster, leader, numbers(10));
    const [empty, other] = cluster.others(leader) as [Node, Node];
    await cluster.agree();
    empty.crash();
    empty.stores.clear();
    await empty.start();
    const replica = empty.run(1, undefined, { lacksState: true });
    leader.crash();
    // Only with the vote of the one that has nothing.
    const next = await cluster.leader(1, [other, empty]);
    expect(next).toBe(other);
    await cluster.until(() => replica.store.numbers.length === 10, 'the state');
    await proposeAll(cluster, other, numbers(2, 10));
    expect(await cluster.agree()).toEqual(numbers(12));
  });

  it('tries again when a snapshot could not be had', async () => {
    const { cluster, leader, straggler } = await withStraggler(5);
    // Whoever leads has no replica to give for now.
    const given = new Map(cluster.nodes.map((node) => [node, node.replica()]));
    for (const node of cluster.others(straggler)) node.replicas.delete(1);
    cluster.network.heal();
    const { events } = straggler.replica();
    await cluster.until(() => events.filter((event) => event === 'pull').length >= 2, 'pulls', 10);
    for (const [node, replica] of given) node.replicas.set(1, replica as Replica);
    expect(await cluster.agree()).toEqual(numbers(40));
    expect(leader.failures).toEqual([]);
  });

  it('forgets changes of members that never committed with the log that they were in', async () => {
    const { cluster, leader, straggler } = await withStraggler(6);
    const { group } = straggler.replica();
    // It led once, and proposed something that nobody heard.
    cluster.network.heal();
    await cluster.agree();
    await cluster.lead(straggler);
    cluster.isolate(straggler);
    void straggler.scheduler.proposeChange(group, {
      kind: 'simple',
      steps: [{ kind: 'remove', replica: leader.id }],
    });
    await cluster.pass(2);
    const next = await cluster.leader(1, cluster.others(straggler));
    await proposeAll(cluster, next, numbers(30, 40));
    for (const node of cluster.others(straggler)) truncate(node);
    const before = straggler.replica().events.length;
    cluster.network.heal();
    expect(await cluster.agree()).toEqual(numbers(70));
    expect(straggler.replica().events.slice(before)).toContain('pull');
    expect(group.configuration).toEqual(cluster.founders);
    expect(group.configuration).not.toEqual(EMPTY_CONFIGURATION);
  });
});

describe('a log', () => {
  it('keeps for an active follower what it lacks, and for a silent one only so much', async () => {
    const options = {
      ...SMALL_OPTIONS,
      retention: { keptBytes: 500, laggingBytes: 100_000, snapshotBytes: 0 },
    };
    const cluster = await SchedulerCluster.start({ seed: 7, options });
    const leader = await cluster.leader();
    const [slow] = cluster.others(leader) as [Node];
    await cluster.pass(1);
    slow.machine.disk.settings.latencyMicrosMax = 60_000_000;
    await proposeAll(cluster, leader, numbers(50));
    const { group } = leader.replica();
    truncate(leader);
    // Its acknowledgements are missing, its heartbeats are not.
    expect(group.log.firstIndex).toBeLessThan(5);
    slow.crash();
    await cluster.pass(2);
    truncate(leader);
    const kept = group.log.lastIndex - group.log.firstIndex;
    expect([kept > 2, kept < 10]).toEqual([true, true]);
    slow.machine.disk.settings.latencyMicrosMax = 200;
    await cluster.startNode(slow);
    expect(await cluster.agree()).toEqual(numbers(50));
    expect(slow.replica().events).toContain('pull');
  });

  it('gives up what it keeps for others when it grows long, so that resting groups hold nobody up', async () => {
    const options = {
      ...SMALL_OPTIONS,
      log: { ...SMALL_OPTIONS.log, segmentBytes: 2048, keptSegments: 4 },
      retention: { keptBytes: 100_000, laggingBytes: 100_000, snapshotBytes: 0 },
    };
    const cluster = await SchedulerCluster.start({ seed: 8, options, groups: 2 });
    const node = cluster.node(1);
    await cluster.lead(node, 1);
    await cluster.lead(node, 2);
    await cluster.wait(node.propose(1, 2));
    await cluster.agree(2);
    truncate(node, 2);
    expect(node.replica(2).group.log.firstIndex).toBe(1);
    for (let i = 0; i < 10; i++) {
      await proposeAll(cluster, node, numbers(10, i * 10));
      await cluster.agree();
      truncate(node);
    }
    await cluster.pass(1);
    const segments = await cluster.wait(node.runtime.files.list('raft'));
    expect(segments.length).toBeLessThanOrEqual(6);
    expect(node.replica(2).group.log.firstIndex).toBeGreaterThan(1);
  });
});
