import { expect, it } from 'vitest';
import { LimitedLog } from '../../src/rpc/limited-log.ts';

it('says a warning at once, then once a minute with how often it was not said', () => {
  const said: string[] = [];
  let now = 0;
  const add = (message: string, fields: unknown): void => {
    said.push(`${now / 1e6} ${message} ${JSON.stringify(fields)}`);
  };
  const limited = new LimitedLog(
    { info: add, warn: add, error: add },
    { monotonicMicros: () => now, wall: () => expect.unreachable() },
  );
  for (; now <= 130_000_000; now += 10_000_000) limited.warn('a', 'again', { node: 1 });
  limited.warn('b', 'another', {});
  limited.forget('a');
  limited.warn('a', 'anew', {});
  expect(said).toEqual([
    '0 again {"node":1}',
    '60 again {"node":1,"timesSince":5}',
    '120 again {"node":1,"timesSince":5}',
    '140 another {}',
    '140 anew {}',
  ]);
});

it('forgets the oldest kinds', () => {
  const said: string[] = [];
  const add = (message: string): void => void said.push(message);
  const limited = new LimitedLog(
    { info: add, warn: add, error: add },
    { monotonicMicros: () => 0, wall: () => expect.unreachable() },
  );
  for (let i = 0; i < 1001; i++) limited.warn(`kind ${i}`, `kind ${i}`, {});
  limited.warn('kind 1000', 'again 1000', {});
  limited.warn('kind 0', 'again 0', {});
  expect(said.filter((line) => line.startsWith('again'))).toEqual(['again 0']);
});
