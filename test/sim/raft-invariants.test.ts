// The checker of Raft's invariants: each one broken by hand, so that it is known to see it.

import { describe, expect, it } from 'vitest';
import type { Entry, ReplicaId } from '../../src/raft/types.ts';
import { replicaIdOn } from '../../src/raft/types.ts';
import { type LogView, RaftInvariants } from '../../src/sim/checkers/raft-invariants.ts';

const ONE = replicaIdOn(1, 0);
const TWO = replicaIdOn(2, 0);

/** A log with these terms, from index 1 on; undefined where it was compacted. */
function log(replica: ReplicaId, ...terms: readonly (number | undefined)[]): LogView {
  return { replica, lastIndex: terms.length, termAt: (index) => terms[index - 1] };
}

function entries(first: number, ...contents: readonly (readonly [term: number, data: number])[]) {
  return contents.map(
    ([term, data], i): Entry => ({
      index: first + i,
      term,
      kind: 'command',
      data: Uint8Array.of(data),
    }),
  );
}

describe("Raft's invariants", () => {
  it('hold of a leader that fails, and of the next one', () => {
    const world = new RaftInvariants();
    world.onLeader(7, 1, log(ONE));
    world.onCommitted(7, ONE, 1, entries(1, [1, 10], [1, 11]));
    world.onCommitted(7, TWO, 1, entries(1, [1, 10]));
    world.onLeader(7, 2, log(TWO, 1, 1));
    world.onCommitted(7, TWO, 2, entries(2, [1, 11], [2, 12]));
    world.onCommitted(7, ONE, 2, entries(3, [2, 12]));
    // Told again after a restart.
    world.onCommitted(7, ONE, 3, entries(1, [1, 10], [1, 11], [2, 12]));
    world.checkLogs(7, [log(ONE, 1, 1, 2), log(TWO, undefined, 1, 2, 3)]);
    expect([world.elections, world.committedIndex(7)]).toEqual([2, 3]);
  });

  it('one leader a term', () => {
    const world = new RaftInvariants();
    world.onLeader(7, 3, log(ONE));
    world.onLeader(8, 3, log(TWO));
    world.onLeader(7, 3, log(ONE));
    expect(() => world.onLeader(7, 3, log(TWO))).toThrow(
      'election safety: replica 1.0 and replica 2.0 both led group 7 in term 3',
    );
  });

  it('a leader has what was committed in earlier terms', () => {
    const world = new RaftInvariants();
    world.onCommitted(7, ONE, 2, entries(1, [1, 10], [2, 11]));
    expect(() => world.onLeader(7, 3, log(TWO, 1))).toThrow('leader completeness');
    expect(() => world.onLeader(7, 3, log(TWO, 1, 1, 1))).toThrow('leader completeness');
    // Elected late: what is committed was committed after its term.
    world.onLeader(7, 2, log(TWO, 1));
    // Compacted, and so committed.
    world.onLeader(7, 4, log(TWO, undefined, undefined, 3));
  });

  it('one entry at an index, for all replicas and forever', () => {
    const world = new RaftInvariants();
    world.onCommitted(7, ONE, 2, entries(1, [1, 10], [2, 11]));
    for (const other of [entries(2, [2, 12]), entries(2, [1, 11])]) {
      expect(() => world.onCommitted(7, TWO, 2, other)).toThrow('state-machine safety');
    }
    const [change] = entries(2, [2, 11]).map((entry) => ({ ...entry, kind: 'change' as const }));
    expect(() => world.onCommitted(7, TWO, 2, [change as Entry])).toThrow('state-machine safety');
  });

  it('logs that agree somewhere agree before it', () => {
    const world = new RaftInvariants();
    world.checkLogs(7, [log(ONE, 1, 2, 3), log(TWO, 1, 2, 2, 2)]);
    expect(() => world.checkLogs(7, [log(ONE, 1, 2, 3), log(TWO, 1, 1, 3)])).toThrow(
      'log matching: in group 7, replica 1.0 has term 2 at 2, replica 2.0 has 1',
    );
  });
});
