// Scenarios of the core as transcripts that a person can read: testdata/*.txt. cluster.ts says what the commands do.
// REWRITE=1 writes what the core does now in the place of what is expected: read the difference.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import { RaftCore } from '../../src/raft/core.ts';
import type { Ready } from '../../src/raft/ready.ts';
import { LogTerms } from '../../src/raft/terms.ts';
import { DEFAULT_TUNING } from '../../src/raft/tuning.ts';
import { Cluster } from './cluster.ts';
import { readTraces, rewriteTraces } from './traces.ts';

const testdata = join(import.meta.dirname, 'testdata');
const transcripts = readdirSync(testdata).filter((name) => name.endsWith('.txt'));

describe('the core', () => {
  it('has transcripts', () => {
    expect(transcripts.length).toBeGreaterThan(15);
  });

  it.each(transcripts)('%s', (name) => {
    const path = join(testdata, name);
    if (process.env['REWRITE'] === '1') {
      const cluster = new Cluster();
      rewriteTraces(path, (trace) => cluster.run(trace));
    }
    const cluster = new Cluster();
    for (const trace of readTraces(path)) {
      expect(cluster.run(trace), `${name}:${trace.line}`).toBe(trace.expected);
    }
  });

  it('hands out every committed entry once, in order, and none before its sync (P29)', () => {
    const core = new RaftCore({
      replicaId: 1,
      configuration: configurationOf([1]),
      configurationIndex: 0,
      hardState: { term: 0, vote: 0, commit: 0 },
      terms: new LogTerms({ index: 0, term: 0 }),
      changes: [],
      appliedIndex: 0,
      random: () => 0,
      tuning: DEFAULT_TUNING,
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
