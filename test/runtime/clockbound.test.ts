import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { clockBound } from '../../src/runtime/node/clockbound.ts';
import { decodeSegment } from '../../src/runtime/node/clockbound-segment.ts';
import { machineOffsetMicros, monotonicMicros } from '../../src/runtime/node/monotonic.ts';
import { createNodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { runCommand } from '../support/node-process.ts';

const directory = mkdtempSync(join(tmpdir(), 'meridian-clockbound-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Fields {
  readonly magic?: number;
  readonly layout?: number;
  readonly size?: number;
  readonly generation?: number;
  readonly asOfMicros?: number;
  readonly voidAfterMicros?: number;
  readonly boundNanos?: number;
  readonly driftPpb?: number;
  readonly status?: number;
  readonly disruptions?: bigint;
}

const SYNCHRONISED = 1;
const FREE_RUNNING = 2;

function segment(fields: Fields = {}, little = true): Uint8Array {
  const layout = fields.layout ?? 2;
  const bytes = new Uint8Array(layout === 1 ? 72 : 80);
  const view = new DataView(bytes.buffer);
  const setTime = (offset: number, micros: number): void => {
    view.setBigInt64(offset, BigInt(Math.floor(micros / 1e6)), little);
    view.setBigInt64(offset + 8, BigInt((micros % 1e6) * 1000), little);
  };
  view.setUint32(0, fields.magic ?? 0x414d5a4e, little);
  view.setUint32(4, 0x43420200, little);
  view.setUint32(8, fields.size ?? bytes.length, little);
  view.setUint16(12, layout, little);
  view.setUint16(14, fields.generation ?? 6, little);
  setTime(16, fields.asOfMicros ?? 1_000_000_250);
  setTime(32, fields.voidAfterMicros ?? 2_000_000_000);
  view.setBigInt64(48, BigInt(fields.boundNanos ?? 123_500), little);
  if (layout !== 1) view.setBigUint64(56, fields.disruptions ?? 7n, little);
  view.setUint32(layout === 1 ? 56 : 64, fields.driftPpb ?? 50_000, little);
  view.setInt32(layout === 1 ? 64 : 68, fields.status ?? SYNCHRONISED, little);
  return bytes;
}

describe("ClockBound's segment", () => {
  const read = {
    generation: 6,
    asOfMicros: 1_000_000_250,
    voidAfterMicros: 2_000_000_000,
    boundMicros: 123.5,
    drift: 50e-6,
    status: 'synchronised',
    disruptions: 7n,
  };

  it('is read by its bytes', () => {
    const golden = Buffer.concat([
      Buffer.from('4e5a4d4100024243' + '50000000' + '0200' + '0600', 'hex'),
      Buffer.from('e803000000000000' + '90d0030000000000', 'hex'),
      Buffer.from('d007000000000000' + '0000000000000000', 'hex'),
      Buffer.from('6ce2010000000000' + '0700000000000000', 'hex'),
      Buffer.from('50c30000' + '01000000' + '01' + '00000000000000', 'hex'),
    ]);
    expect(decodeSegment(golden)).toEqual(read);
    expect(decodeSegment(segment())).toEqual(read);
  });

  it('is read in either byte order, and of the first layout', () => {
    expect(decodeSegment(segment({}, false))).toEqual(read);
    expect(decodeSegment(segment({ layout: 1 }))).toEqual({ ...read, disruptions: 0n });
  });

  it.each([
    [0, 'unknown'],
    [SYNCHRONISED, 'synchronised'],
    [FREE_RUNNING, 'free running'],
    [3, 'disrupted'],
  ])('has a status: %s is %s', (status, name) => {
    expect(decodeSegment(segment({ status })).status).toBe(name);
  });

  it.each<[string, Uint8Array, string]>([
    ['empty', new Uint8Array(0), 'too short'],
    ['something else', segment({ magic: 1 }), 'not one of its own'],
    ['not filled', segment({ generation: 0 }), 'not filled yet'],
    ['without a layout', segment({ layout: 0 }), 'not filled yet'],
    ['being written', segment({ generation: 7 }), 'being written'],
    ['of a later layout', segment({ layout: 3 }), 'layout 3; this version reads 1 and 2'],
    ['shorter than its layout', segment().subarray(0, 79), 'too short for its layout'],
    ['shorter by its own account', segment({ size: 72 }), 'too short for its layout'],
    ['of an unknown status', segment({ status: 4 }), 'makes no sense'],
    ['of a status below all', segment({ status: -1 }), 'makes no sense'],
    ['drifting without end', segment({ driftPpb: 1_000_000_000 }), 'makes no sense'],
    ['of a negative bound', segment({ boundNanos: -1 }), 'makes no sense'],
  ])('is refused when it is %s', (_what, bytes, message) => {
    expect(() => decodeSegment(bytes)).toThrow(message);
  });
});

describe('the clock of ClockBound', () => {
  const path = join(directory, 'shm0');
  // The machine's clock began 900 s before this process's.
  const OFFSET = 900_000_000;
  const NOW = 101_000_000;
  const daemon = (): ReturnType<typeof clockBound> =>
    clockBound(
      path,
      () => NOW,
      () => OFFSET,
    );

  it('has a bound that is told by this process’s clock, as of a tick earlier', async () => {
    writeFileSync(path, segment());
    expect(await daemon().ask()).toEqual({
      kind: 'vouched',
      vouched: {
        boundMicros: 123.5,
        atMicros: 1_000_000_250 - OFFSET - 10_000,
        drift: 50e-6,
        voidAfterMicros: 2_000_000_000 - OFFSET,
      },
    });
  });

  it('may be free running', async () => {
    writeFileSync(path, segment({ status: FREE_RUNNING }));
    expect((await daemon().ask()).kind).toBe('vouched');
  });

  it('may have been written within the tick that is now', async () => {
    writeFileSync(path, segment({ asOfMicros: NOW + OFFSET + 4_000 }));
    expect(await daemon().ask()).toMatchObject({ vouched: { atMicros: NOW - 10_000 } });
  });

  it.each([
    ['its status is unknown', { status: 0 }, 'unknown'],
    ['it was disrupted', { status: 3 }, 'disrupted'],
    ['its time is over', { voidAfterMicros: NOW + OFFSET - 1 }, 'for too long'],
    ['it is from another boot', { asOfMicros: NOW + OFFSET + 20_000 }, 'of the future'],
  ])('is not to be trusted when %s', async (_why, fields, reason) => {
    writeFileSync(path, segment(fields));
    expect(await daemon().ask()).toEqual({ kind: 'void', reason: expect.stringContaining(reason) });
  });

  it('is not to be trusted for a moment when it was disrupted between two looks', async () => {
    const one = daemon();
    writeFileSync(path, segment());
    expect((await one.ask()).kind).toBe('vouched');
    writeFileSync(path, segment({ disruptions: 8n }));
    expect(await one.ask()).toEqual({ kind: 'void', reason: 'the clock was disrupted' });
    expect((await one.ask()).kind).toBe('vouched');
  });

  it.each([
    ['is being written for ever', segment({ generation: 9 }), 'being written'],
    ['is no segment', Buffer.from('hello, this is text'), 'not one of its own'],
  ])('is unsure when the file %s', async (_how, bytes, message) => {
    writeFileSync(path, bytes);
    await expect(daemon().ask()).rejects.toThrow(message);
  });

  it('is unsure when the file is missing, or can not be read', async () => {
    await expect(clockBound(join(directory, 'none')).ask()).rejects.toThrow('none is missing');
    await expect(clockBound(directory).ask()).rejects.toThrow('EISDIR');
  });

  it('feeds the wall of a node, by the clock of this machine', async () => {
    const nowMicros = monotonicMicros() + machineOffsetMicros();
    const bytes = segment({
      asOfMicros: Math.floor(nowMicros),
      voidAfterMicros: Math.floor(nowMicros) + 1_000_000_000,
      boundNanos: 30_000_000,
    });
    writeFileSync(path, bytes);
    const { time } = createNodeRuntime({ clock: `clockbound:${path}` });
    await time.ready?.();
    const before = Date.now() * 1000;
    const { earliestMicros, latestMicros, problem } = time.wall();
    expect(problem).toBeUndefined();
    expect(latestMicros - earliestMicros).toBeGreaterThanOrEqual(60_000);
    expect(earliestMicros).toBeLessThan(before);
  });

  it('does not let a node start without the daemon, and says what to do', async () => {
    const missing = join(directory, 'missing');
    const problem = `clockbound does not vouch for this machine's clock: ${missing} is missing`;
    const { time } = createNodeRuntime({ clock: `clockbound:${missing}`, logLevel: 'silent' });
    await expect(time.ready?.()).rejects.toMatchObject({ code: '57P03', message: problem });
    expect(time.wall().problem).toBe(problem);

    const data = join(directory, 'data');
    const ran = await runCommand('start', '--data', data, '--clock', `clockbound:${missing}`);
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toContain(problem);
    expect(ran.err).toContain(`It must share ${missing}`);
    expect(existsSync(data)).toBe(false);
  });
});
