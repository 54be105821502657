import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timestamp } from '../../src/clock/timestamp.ts';
import { Session } from '../../src/ranges/locks/session.ts';
import { SessionTable } from '../../src/ranges/locks/session-table.ts';

let sessions = 0;

function sessionOf(id: string): Session {
  const token = { range: 1, generation: 1, term: 1, session: ++sessions };
  return new Session({ id, age: timestamp(1) }, token);
}

/** Few buckets are met by many of these, and some ids share their last digits. */
const txnId = fc
  .tuple(fc.nat(3), fc.nat(4000))
  .map(([high, low]) => high.toString(16).padStart(26, '0') + low.toString(16).padStart(6, '0'));

describe('the session table', () => {
  it('holds what a map holds, also beyond its first size', () => {
    const step = fc.record({ id: txnId, isAdded: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 3000, size: 'max' }), (steps) => {
        const table = new SessionTable();
        const model = new Map<string, Session>();
        for (const { id, isAdded } of steps) {
          const known = model.get(id);
          expect(table.find(id)).toBe(known);
          if (isAdded && known === undefined) {
            const session = sessionOf(id);
            table.add(session);
            model.set(id, session);
          } else if (!isAdded && known !== undefined) {
            table.remove(known);
            model.delete(id);
            // Ended twice: it is not there any more.
            table.remove(known);
          }
        }
        expect(table.size).toBe(model.size);
        expect(new Set(table.all())).toEqual(new Set(model.values()));
      }),
      { numRuns: 20 },
    );
  });
});
