// Proposals whose entries a newer leader's have replaced, before they left this node: they are refused, which must be
// true for ever.
import { describe, expect, it } from 'vitest';
import type { RaftGroup } from '../../src/raft/group.ts';
import { type ProposeAnswer, ProposalQueue } from '../../src/raft/proposals.ts';
import { DEFAULT_SCHEDULER_OPTIONS } from '../../src/raft/scheduler.ts';
import { Succession } from '../../src/raft/succession.ts';
import { bytesOf, SchedulerCluster, SMALL_OPTIONS } from './scheduler-cluster.ts';

describe('a proposal whose entry was replaced', () => {
  it('is not refused before that is synced: after a crash the entry could be there again, and commit', async () => {
    const tuning = { ...DEFAULT_SCHEDULER_OPTIONS.tuning, inflightMessagesMax: 1 };
    const cluster = await SchedulerCluster.start({ options: { ...SMALL_OPTIONS, tuning } });
    const leader = await cluster.leader();
    await cluster.pass(1);
    const { group } = leader.replica();
    cluster.isolate(leader);
    void leader.propose(5);
    await cluster.pass(0.05);
    // The one before it is under way, so this one never leaves.
    const index = group.core.lastIndex + 1;
    const { log } = group.core as unknown as { readonly log: { readonly stable: number } };
    let seen: { readonly answer: ProposeAnswer; readonly stable: number } | undefined;
    leader.scheduler.submit(group, bytesOf(6), (answer) => {
      seen = { answer, stable: log.stable };
    });
    await cluster.pass(0.1);
    expect(group.sentIndex).toBe(index - 1);
    const next = await cluster.leader(1, cluster.others(leader));
    const { group: other } = next.replica();
    for (let i = 0; other.core.lastIndex < index; i++) await cluster.wait(next.propose(10 + i));
    // It never hears of more than it has synced, so that nothing but the replacement answers.
    cluster.network.heal();
    await cluster.until(() => seen !== undefined, 'the answer');
    expect(seen?.answer.kind).toBe('notLeader');
    expect(seen?.stable).toBeGreaterThanOrEqual(index);
    expect(await cluster.agree()).not.toContain(6);
  });

  it('is not refused when it has left in a later leadership of this replica', () => {
    const answers: ProposeAnswer[] = [];
    const queue = new ProposalQueue();
    queue.push(5, 1, (answer) => answers.push(answer));
    const lost = [{ queue, term: 1, sentIndex: 4, ticksLeft: 9 }];
    // Leading in term 3 it sent everything up to 7, with entry 5 of term 1.
    const group = { lost, sentIndex: 7, core: { leader: 2 } } as unknown as RaftGroup;
    const ignore = (): void => {};
    const parts = { electionTicks: 9, answered: ignore, touched: ignore, onLeader: undefined };
    new Succession(parts).replaced(group, 5)?.();
    expect([answers, queue.count]).toEqual([[], 1]);
    group.sentIndex = 4;
    new Succession(parts).replaced(group, 5)?.();
    expect(answers).toEqual([{ kind: 'notLeader', leader: 2 }]);
    expect(group.lost).toEqual([]);
  });
});
