// Scenarios of the core as transcripts: testdata/*.txt. Each command's output is what the core did.
//
//   start [term=N vote=N commit=N] [log=(term term ...)] [applied=N]    a core with such a log, all synced
//   propose WORD | change STEPS | enter-joint STEPS | leave-joint | ready | advance | status
//
// advance reports the oldest Ready that was not reported yet.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import type { Change, ChangeStep } from '../../src/raft/configuration.ts';
import { configurationOf, formatConfiguration } from '../../src/raft/configuration.ts';
import { RaftCore } from '../../src/raft/core.ts';
import { LogTerms } from '../../src/raft/terms.ts';
import type { Entry, Ready } from '../../src/raft/types.ts';
import { numbersOf, readTraces, type Trace } from './traces.ts';

const STEPS: Record<string, ChangeStep['kind']> = {
  v: 'addVoter',
  l: 'addLearner',
  r: 'remove',
  u: 'update',
};

class Transcript {
  private core: RaftCore | undefined;
  private readonly taken: Ready[] = [];

  run(trace: Trace): string {
    try {
      return this.carryOut(trace);
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message}\n`;
    }
  }

  private carryOut(trace: Trace): string {
    if (trace.command === 'start') return this.start(trace);
    const core = this.core as RaftCore;
    switch (trace.command) {
      case 'propose': {
        const index = core.propose(utf8(trace.rest));
        return index === undefined ? 'not the leader\n' : `index=${index}\n`;
      }
      case 'change':
        return this.change({ kind: 'simple', steps: stepsOf(trace.rest) });
      case 'enter-joint':
        return this.change({ kind: 'enterJoint', autoLeave: false, steps: stepsOf(trace.rest) });
      case 'leave-joint':
        return this.change({ kind: 'leaveJoint' });
      case 'ready': {
        const ready = core.ready();
        if (ready === undefined) return 'nothing\n';
        this.taken.push(ready);
        return formatReady(ready);
      }
      case 'advance': {
        const done = this.taken.shift();
        if (done === undefined) throw new Error('no ready was taken');
        core.advance(done);
        return this.status();
      }
      case 'status':
        return this.status();
      default:
        throw new Error(`unknown command ${trace.command}`);
    }
  }

  private start(trace: Trace): string {
    const number = (name: string): number => Number(trace.arguments.get(name) ?? '0');
    const terms = new LogTerms({ index: number('compacted'), term: 0 });
    for (const term of numbersOf(trace.arguments.get('log') ?? '')) terms.append(term);
    this.core = new RaftCore({
      replicaId: 1,
      configuration: configurationOf(numbersOf(trace.arguments.get('voters') ?? '1')),
      hardState: { term: number('term'), vote: number('vote'), commit: number('commit') },
      terms,
      appliedIndex: number('applied'),
    });
    return this.status();
  }

  private change(change: Change): string {
    const result = (this.core as RaftCore).proposeChange(change);
    if (result.kind === 'proposed') return `index=${result.index}\n`;
    return result.kind === 'notLeader' ? 'not the leader\n' : `refused: ${result.reason}\n`;
  }

  private status(): string {
    const core = this.core as RaftCore;
    return `${core.role} term=${core.term} leader=${core.leader} commit=${core.committedIndex} last=${core.lastIndex} ${formatConfiguration(core.configuration)}\n`;
  }
}

function stepsOf(words: string): ChangeStep[] {
  return words
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => ({
      kind: STEPS[word[0] as string] as ChangeStep['kind'],
      replica: Number(word.slice(1)),
    }));
}

function formatReady(ready: Ready): string {
  const { softState, hardState, entries, committed } = ready;
  let text = '';
  if (softState !== undefined) text += `soft: ${softState.role} leader=${softState.leader}\n`;
  if (hardState !== undefined) {
    text += `hard: term=${hardState.term} vote=${hardState.vote} commit=${hardState.commit}\n`;
  }
  if (entries.length > 0) text += `append: ${entries.map(formatEntry).join(' ')}\n`;
  if (committed !== undefined) text += `committed: ${committed.first}..${committed.last}\n`;
  return text;
}

function formatEntry({ index, term, kind, data }: Entry): string {
  const what = kind === 'change' ? '<change>' : data.length === 0 ? '<empty>' : fromUtf8(data);
  return `${term}/${index}:${what}`;
}

const testdata = join(import.meta.dirname, 'testdata');
const transcripts = readdirSync(testdata).filter((name) => name.endsWith('.txt'));

describe('the core', () => {
  it('has transcripts', () => {
    expect(transcripts.length).toBeGreaterThan(3);
  });

  it.each(transcripts)('%s', (name) => {
    const transcript = new Transcript();
    for (const trace of readTraces(join(testdata, name))) {
      expect(transcript.run(trace), `${name}:${trace.line}`).toBe(trace.expected);
    }
  });

  it('hands out every committed entry once, in order, and none before its sync (P29)', () => {
    const core = new RaftCore({
      replicaId: 1,
      configuration: configurationOf([1]),
      hardState: { term: 0, vote: 0, commit: 0 },
      terms: new LogTerms({ index: 0, term: 0 }),
      appliedIndex: 0,
    });
    const inFlight: Ready[] = [];
    let handed = 0;
    let synced = 0;
    for (let round = 0; round < 200; round++) {
      for (let i = round % 4; i > 0; i--) core.propose(utf8('x'));
      const ready = core.ready();
      if (ready !== undefined) inFlight.push(ready);
      const committed = ready?.committed ?? core.takeCommitted();
      if (committed !== undefined) {
        expect(committed.first).toBe(handed + 1);
        expect(committed.last).toBeLessThanOrEqual(synced);
        handed = committed.last;
      }
      // Two writes overlap now and then.
      while (inFlight.length > round % 3) {
        const done = inFlight.shift() as Ready;
        core.advance(done);
        synced = done.entries.at(-1)?.index ?? synced;
      }
    }
    expect(handed).toBeGreaterThan(200);
  });
});
