import { expect, it } from 'vitest';
import { createLog, formatLine } from '../../src/runtime/node/log.ts';

it('writes time, level, message and fields on one line', () => {
  const fields = { node: 1, path: '/a b', ok: true, empty: '', text: 'x=1\n' };
  expect(formatLine(new Date(0), 'warn', 'watch out', fields)).toBe(
    '1970-01-01T00:00:00.000Z warn  watch out node=1 path="/a b" ok=true empty="" text="x=1\\n"\n',
  );
});

it('leaves out what is below its level', () => {
  const lines: string[] = [];
  const log = createLog('warn', (line) => lines.push(line));
  log.info('a');
  log.warn('b');
  log.error('c');
  expect(lines.map((line) => line.trimEnd().slice(-1))).toEqual(['b', 'c']);
  createLog('silent', (line) => lines.push(line)).error('d');
  expect(lines).toHaveLength(2);
});

it('never throws', () => {
  const log = createLog('info', () => {
    throw new Error('stderr is closed');
  });
  expect(() => log.error('lost')).not.toThrow();
});
