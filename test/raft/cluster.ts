// A few members and the network between them, for transcripts: nothing happens but what a command says.
//
//   cluster 1 2 3 [learners=(4)] [heartbeat=N] [election=N] [append=BYTES] [inflight=N] [uncommitted=BYTES]
//   member N [term=N vote=N commit=N] [log=(term term ...)] [applied=N] [voters=(...)]     a member anew, all of it synced
//   unborn N... | bear N [first]     replicas that nobody has told who belongs to the group; a split gives birth to one, which
//                           member 1 has proposed; first: in this run of its process
//   campaign N | tick N|all TICKS | propose N WORD... | transfer N TO | read N CONTEXT
//   change N STEPS | enter-joint N STEPS [auto] | leave-joint N
//   deliver [quiet] [to=N] [from=N] [but=KIND]  until nothing moves: every Ready synced, every message delivered; quiet: only what changed
//   ready N | sync N        one step of one member; its messages wait for deliver or step
//   step [to=N] [from=N] [but=KIND]     messages only
//   isolate N... | cut N M | heal       cut: what N sends to M is lost
//   hold N | release N      what is sent to N waits
//   promise N | free N      N may not, may help to elect another (P2)
//   compact N INDEX | install N | fail-install N | report N TO ok|failed|unreachable
//   crash N                 loses what is unsynced and starts anew
//   status [N...] | log [N...] | progress N | applied N...

import { utf8 } from '../../src/base/bytes.ts';
import { type Change, configurationOf } from '../../src/raft/configuration.ts';
import type { Message } from '../../src/raft/messages.ts';
import { type CoreTuning, DEFAULT_TUNING } from '../../src/raft/tuning.ts';
import {
  formatEntry,
  formatLog,
  formatMessage,
  formatReady,
  formatRole,
  formatStatus,
  stepsOf,
} from './format.ts';
import { Member, MemoryLog } from './member.ts';
import { numbersOf, type Trace } from './traces.ts';

const ROUNDS_MAX = 200;

export class Cluster {
  private readonly members = new Map<number, Member>();
  private tuning: CoreTuning = DEFAULT_TUNING;
  private voters: readonly number[] = [];
  private learners: readonly number[] = [];
  private queue: Message[] = [];
  private isolated: readonly number[] = [];
  private cuts: (readonly [number, number])[] = [];
  private held = 0;
  private output = '';
  private isQuiet = false;
  private readonly roles = new Map<number, string>();

  run(trace: Trace): string {
    this.output = '';
    this.isQuiet = false;
    try {
      this.carryOut(trace);
    } catch (error) {
      this.say(`${(error as Error).name}: ${(error as Error).message}`);
    }
    if (trace.command !== 'cluster' && trace.command !== 'member') this.sayRoles();
    this.roles.clear();
    for (const member of this.members.values()) this.roles.set(member.id, formatRole(member));
    return this.output;
  }

  private say(line: string): void {
    this.output += `${line.trimEnd()}\n`;
  }

  private sayRoles(): void {
    for (const member of this.members.values()) {
      const role = formatRole(member);
      if (this.roles.get(member.id) !== role) this.say(role);
      this.roles.set(member.id, role);
    }
  }

  private member(id: number): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  private carryOut(trace: Trace): void {
    const words = trace.rest.split(/\s+/).filter((word) => word !== '' && !word.includes('='));
    const id = Number(words[0]);
    switch (trace.command) {
      case 'cluster':
        return this.found(trace, words.map(Number));
      case 'member':
        return this.start(id, trace.arguments);
      case 'deliver':
        this.isQuiet = words.includes('quiet');
        return this.deliver(trace.arguments);
      case 'step':
        this.carryAll(trace.arguments);
        return;
      case 'unborn':
        for (const one of words.map(Number)) this.start(one, new Map([['voters', '']]));
        return;
      case 'hold':
        this.held = id;
        return;
      case 'release':
        this.held = 0;
        return;
      case 'isolate':
        this.isolated = words.map(Number);
        return;
      case 'cut':
        this.cuts.push([id, Number(words[1])]);
        return;
      case 'heal':
        this.isolated = [];
        this.cuts = [];
        return;
      case 'tick':
        return this.tick(words[0] as string, Number(words[1]));
      case 'status':
      case 'log':
      case 'applied':
        return this.show(trace.command, words.map(Number));
      default:
        return this.command(trace.command, this.member(id), words.slice(1));
    }
  }

  private command(command: string, member: Member, words: readonly string[]): void {
    const { core, id } = member;
    switch (command) {
      case 'campaign':
        return core.campaign();
      case 'bear':
        member.bear(configurationOf(this.voters), 1, words.includes('first'));
        member.core.mayElect = true;
        this.say(formatStatus(member));
        return;
      case 'propose':
        for (const word of words) this.propose(member, word);
        return;
      case 'change':
        return this.change(member, { kind: 'simple', steps: stepsOf(words) });
      case 'enter-joint': {
        const autoLeave = words.includes('auto');
        const steps = stepsOf(words.filter((word) => word !== 'auto'));
        return this.change(member, { kind: 'enterJoint', autoLeave, steps });
      }
      case 'leave-joint':
        return this.change(member, { kind: 'leaveJoint' });
      case 'transfer':
        if (!core.transferLeadership(Number(words[0]))) this.say('refused');
        return;
      case 'read':
        if (!core.readIndex(Number(words[0]))) this.say('refused');
        return;
      case 'ready': {
        const ready = member.ready();
        this.say(ready === undefined ? 'nothing' : formatReady(ready));
        return;
      }
      case 'sync':
        if (!member.sync()) throw new Error('nothing is being written');
        return;
      case 'promise':
        core.mayElect = false;
        return;
      case 'free':
        core.mayElect = true;
        return;
      case 'compact':
        return member.compact(Number(words[0]));
      case 'install': {
        const { pull } = member;
        if (pull === undefined) throw new Error('no snapshot is wanted');
        const snapshot = this.member(pull.from).snapshot();
        member.install(snapshot);
        this.say(`${id} installs ${snapshot.mark.term}/${snapshot.mark.index} from ${pull.from}`);
        return;
      }
      case 'fail-install':
        member.pull = undefined;
        return core.snapshotFailed();
      case 'report':
        if (words[1] === 'unreachable') core.reportUnreachable(Number(words[0]));
        else core.reportSnapshot(Number(words[0]), words[1] === 'ok');
        return;
      case 'crash':
        member.crash();
        member.core.mayElect = true;
        return;
      case 'progress':
        return this.showProgress(member);
      default:
        throw new Error(`unknown command ${command}`);
    }
  }

  private found(trace: Trace, voters: readonly number[]): void {
    const number = (name: string, usual: number): number =>
      Number(trace.arguments.get(name) ?? usual);
    this.tuning = {
      heartbeatTicks: number('heartbeat', 2),
      electionTicks: number('election', 10),
      appendBytesMax: number('append', 1000),
      inflightMessagesMax: number('inflight', 4),
      inflightBytesMax: number('inflight_bytes', 10_000),
      uncommittedBytesMax: number('uncommitted', 10_000),
    };
    this.members.clear();
    this.queue = [];
    this.isolated = [];
    this.cuts = [];
    this.held = 0;
    this.voters = voters;
    this.learners = numbersOf(trace.arguments.get('learners') ?? '');
    for (const id of [...voters, ...this.learners]) this.start(id, new Map());
  }

  private start(id: number, options: ReadonlyMap<string, string>): void {
    const number = (name: string): number => Number(options.get(name) ?? '0');
    const log = new MemoryLog();
    const voters = options.get('voters');
    log.configuration =
      voters === undefined
        ? configurationOf(this.voters, this.learners)
        : configurationOf(numbersOf(voters));
    log.hardState = { term: number('term'), vote: number('vote'), commit: number('commit') };
    const terms = numbersOf(options.get('log') ?? '');
    log.entries = terms.map((term, i) => ({
      index: i + 1,
      term,
      kind: 'command',
      data: utf8(`${term}${String.fromCharCode(96 + i + 1)}`),
    }));
    const member: Member = new Member(id, log, number('applied'), {
      tuning: this.tuning,
      // Those with low ids lose their patience first.
      random: (bound) => Math.min(id - 1, bound - 1),
      send: (message) => this.queue.push(message),
      onApplied: (entries) => this.say(`${id} applies ${entries.map(formatEntry).join(' ')}`),
    });
    member.core.mayElect = true;
    this.members.set(id, member);
    if (options.size > 0) this.say(formatStatus(member));
  }

  private propose(member: Member, word: string): void {
    const data = utf8(
      word.replace(/^(\w+)\*(\d+)$/, (_, one: string, n: string) => one.repeat(Number(n))),
    );
    const index = member.core.propose(data);
    if (index === undefined) this.say(`refused: ${member.core.refusal(data.length)}`);
  }

  private change(member: Member, change: Change): void {
    const result = member.core.proposeChange(change);
    if (result.kind === 'notLeader') this.say('refused: notLeader');
    else if (result.kind === 'refused') this.say(`refused: ${result.reason}`);
    else if (result.removesLeader) this.say(`${member.id} removes itself`);
  }

  private tick(who: string, ticks: number): void {
    const members = who === 'all' ? [...this.members.values()] : [this.member(Number(who))];
    for (let i = 0; i < ticks; i++) {
      for (const member of members) member.core.tick();
    }
  }

  private deliver(options: ReadonlyMap<string, string>): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const isSettled = !this.settle();
      if (!this.carryAll(options) && isSettled) return;
    }
    throw new Error(`something still moves after ${ROUNDS_MAX} rounds`);
  }

  /** Delivers what is under way now. */
  private carryAll(options: ReadonlyMap<string, string>): boolean {
    const to = options.get('to');
    const from = options.get('from');
    const but = options.get('but');
    const goes = (message: Message): boolean =>
      (to === undefined || message.to === Number(to)) &&
      (from === undefined || message.from === Number(from)) &&
      message.to !== this.held &&
      message.kind !== but;
    const going = this.queue.filter(goes);
    this.queue = this.queue.filter((message) => !goes(message));
    for (const message of going) this.carry(message);
    return going.length > 0;
  }

  /** Writes and syncs everything. */
  private settle(): boolean {
    let moved = false;
    for (const member of this.members.values()) {
      while (member.ready() !== undefined || member.sync()) moved = true;
      for (const { context, index } of member.readStates.splice(0)) {
        this.say(`${member.id} may read ${context} at ${index}`);
      }
    }
    return moved;
  }

  private carry(message: Message): void {
    const { from, to } = message;
    const isLost =
      this.isolated.includes(from) ||
      this.isolated.includes(to) ||
      this.cuts.some(([a, b]) => a === from && b === to) ||
      !this.members.has(to);
    if (!this.isQuiet) this.say(`${formatMessage(message)}${isLost ? ' lost' : ''}`);
    if (isLost) return;
    this.member(to).core.step(message);
    this.sayRoles();
  }

  private show(what: 'status' | 'log' | 'applied', ids: readonly number[]): void {
    for (const member of this.members.values()) {
      if (ids.length > 0 && !ids.includes(member.id)) continue;
      if (what === 'status') this.say(formatStatus(member));
      else if (what === 'log') this.say(formatLog(member));
      else this.say(`${member.id} applied ${member.applied.map(formatEntry).join(' ')}`);
    }
  }

  private showProgress({ core }: Member): void {
    for (const { id } of this.members.values()) {
      const progress = core.progressOf(id);
      if (progress === undefined) continue;
      const { state, matchIndex, nextIndex, isActive } = progress;
      this.say(`${id} ${state} match=${matchIndex} next=${nextIndex}${isActive ? ' active' : ''}`);
    }
  }
}
