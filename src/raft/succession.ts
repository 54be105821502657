// Who leads a group, as this replica learns it: what begins and ends with that, and how it is handed over (P3).

import type { LostProposals, RaftGroup, Transfer } from './group.ts';
import type { ProposeAnswer } from './proposals.ts';
import { ProposalQueue } from './proposals.ts';
import type { ReplicaId } from './types.ts';

export interface SuccessionParts {
  readonly electionTicks: number;
  /** So many bytes of proposals have been answered. */
  answered(bytes: number): void;
  /** The core was given something to do. */
  touched(group: RaftGroup): void;
  /** Before anyone else learns of it. */
  onLeader: ((group: RaftGroup) => void) | undefined;
}

export class Succession {
  private readonly parts: SuccessionParts;

  constructor(parts: SuccessionParts) {
    this.parts = parts;
  }

  /** To be called whenever the core may have changed: it costs little when nothing has. */
  observe(group: RaftGroup): void {
    const { core } = group;
    const { role, term, leader } = core;
    const led = group.seenRole === 'leader';
    if (role !== group.seenRole || term !== group.seenTerm) {
      const ledTerm = group.seenTerm;
      group.seenRole = role;
      group.seenTerm = term;
      const leads = role === 'leader';
      if (led && (!leads || term !== ledTerm)) this.end(group, ledTerm);
      if (leads && (!led || term !== ledTerm)) this.begin(group);
    }
    const { told } = group;
    const isNews =
      told?.kind === 'leading'
        ? role !== 'leader' || term !== told.term
        : role !== 'leader' && leader !== 0 && told?.leader !== leader;
    if (isNews) {
      group.told = { kind: 'following', leader };
      group.options.onLeadership(group.told);
    }
    if (group.transfer !== undefined) this.followTransfer(group, group.transfer);
  }

  private begin(group: RaftGroup): void {
    const { core, lease } = group;
    group.sentIndex = 0;
    lease.begin(core.term);
    // P5: a change that an earlier leader left behind.
    if (core.isLeaving) lease.giveUp();
    this.parts.onLeader?.(group);
  }

  private end(group: RaftGroup, term: number): void {
    group.lease.end();
    group.lanes = undefined;
    if (group.proposals.count === 0) return;
    const { sentIndex } = group;
    const ticksLeft = 2 * this.parts.electionTicks;
    group.lost.push({ queue: group.proposals, term, sentIndex, ticksLeft });
    group.proposals = new ProposalQueue();
  }

  /** Entries from `index` on are replaced in this replica's log. Those that never left it, in a later leadership either,
   * are nowhere once that is synced, and so can't commit: what is answered then refuses them. Others may: whoever has
   * them may yet be elected (Raft paper, figure 8). */
  replaced(group: RaftGroup, index: number): (() => void) | undefined {
    const replaced: LostProposals[] = [];
    let { sentIndex } = group;
    for (const lost of [...group.lost].reverse()) {
      sentIndex = Math.max(sentIndex, lost.sentIndex);
      const queue = lost.queue.splitFrom(Math.max(index, sentIndex + 1));
      if (queue.count > 0) replaced.unshift({ ...lost, queue, ticksLeft: Infinity });
    }
    if (replaced.length === 0) return undefined;
    group.lost = [...group.lost, ...replaced].filter(({ queue }) => queue.count > 0);
    return () => {
      const refusal: ProposeAnswer = { kind: 'notLeader', leader: group.core.leader };
      for (const { queue } of replaced) this.parts.answered(queue.abandon(refusal));
      group.lost = group.lost.filter(({ queue }) => queue.count > 0);
    };
  }

  /** A snapshot holds everything up to `index`: what that was can't be told any more. */
  skipped(group: RaftGroup, index: number): void {
    const message = 'a snapshot has replaced the entry before its outcome was known';
    const answer: ProposeAnswer = { kind: 'unknown', message };
    for (const { queue } of group.lost) this.parts.answered(queue.settleTo(index, () => answer));
    group.lost = group.lost.filter(({ queue }) => queue.count > 0);
  }

  /** Once a tick, while the group is awake. */
  tick(group: RaftGroup): void {
    const { lost, transfer } = group;
    if (lost.length > 0) {
      for (const one of lost) {
        if (--one.ticksLeft > 0) continue;
        const message = 'leadership was lost before the entry had committed';
        this.parts.answered(one.queue.abandon({ kind: 'unknown', message }));
      }
      group.lost = group.lost.filter(({ queue }) => queue.count > 0);
    }
    if (transfer?.isAsked === true && --transfer.ticksLeft <= 0) this.finish(group, 'failed');
  }

  /** P3: the group stops serving and logs the highest timestamp that it served; only then is the other asked. */
  async transfer(group: RaftGroup, to: ReplicaId): Promise<'transferred' | 'failed'> {
    const { core, options } = group;
    if (to === core.replicaId) return core.role === 'leader' ? 'transferred' : 'failed';
    if (core.role !== 'leader' || group.transfer !== undefined) return 'failed';
    if (!core.configuration.voters.includes(to)) return 'failed';
    return new Promise((resolve) => {
      // A voter that can't be reached costs an election timeout; twice that, and the outcome is not waited for.
      const ticksLeft = 2 * this.parts.electionTicks;
      const transfer: Transfer = { to, term: core.term, isAsked: false, ticksLeft, resolve };
      group.transfer = transfer;
      const stopped = options.onTransfer?.() ?? Promise.resolve();
      stopped.then(
        () => this.ask(group, transfer),
        () => this.finish(group, 'failed'),
      );
    });
  }

  private ask(group: RaftGroup, transfer: Transfer): void {
    const { core, lease } = group;
    if (group.transfer !== transfer) return;
    if (core.role !== 'leader' || core.term !== transfer.term) {
      this.finish(group, 'failed');
      return;
    }
    if (!core.transferLeadership(transfer.to)) {
      // It has no vote any more. Nothing is served in this term: another election must come.
      lease.giveUp();
      core.stepDown();
      this.finish(group, 'failed');
      this.parts.touched(group);
      return;
    }
    // In the turn in which TimeoutNow is made.
    lease.giveUp();
    transfer.isAsked = true;
    this.parts.touched(group);
  }

  private followTransfer(group: RaftGroup, { to, term, isAsked }: Transfer): void {
    const { core } = group;
    if (core.role === 'leader' && core.term === term) return;
    if (core.leader === to) this.finish(group, 'transferred');
    else if (core.leader !== 0 || !isAsked) this.finish(group, 'failed');
  }

  private finish(group: RaftGroup, outcome: 'transferred' | 'failed'): void {
    const { transfer } = group;
    group.transfer = undefined;
    transfer?.resolve(outcome);
  }

  /** The group is removed, or the node stops. */
  abandon(group: RaftGroup, message: string): void {
    const answer: ProposeAnswer = { kind: 'unknown', message };
    this.parts.answered(group.proposals.abandon(answer));
    for (const { queue } of group.lost) this.parts.answered(queue.abandon(answer));
    group.lost = [];
    this.finish(group, 'failed');
  }
}
