import { expect, it } from 'vitest';
import { createNodeRuntime } from '../../src/runtime/node/node-runtime.ts';

it('reads the wall by the source that it was told', () => {
  const { earliestMicros, latestMicros } = createNodeRuntime({ clock: 'fixed:3000' }).time.wall();
  expect(latestMicros - earliestMicros).toBeGreaterThanOrEqual(6000);
  expect(() => createNodeRuntime({ clock: 'ntp' })).toThrow('invalid clock source');
});

it('reads the wall and the monotonic clock at one instant', () => {
  const { time } = createNodeRuntime();
  const before = time.monotonicMicros();
  const at = time.wall().monotonicMicros;
  expect(at).toBeGreaterThanOrEqual(before);
  expect(time.monotonicMicros()).toBeGreaterThanOrEqual(at);
});

it('has faults only where a test wants them', () => {
  expect(createNodeRuntime().faults.sometimes('lose a frame')).toBe(false);
  const sometimes = (point: string): boolean => point === 'lose a frame';
  expect(createNodeRuntime({ sometimes }).faults.sometimes('lose a frame')).toBe(true);
});

it('delivers frames to itself, later, and to nobody else', async () => {
  const { network, timers } = createNodeRuntime({ nodeId: 4 });
  const heard: [number, Uint8Array][] = [];
  network.onFrame((from, frame) => heard.push([from, frame]));
  network.send(4, Uint8Array.of(1));
  network.send(5, Uint8Array.of(2));
  network.send(4, Uint8Array.of(3));
  expect(heard).toEqual([]);
  await new Promise<void>((done) => {
    timers.soon(done);
  });
  expect(heard).toEqual([
    [4, Uint8Array.of(1)],
    [4, Uint8Array.of(3)],
  ]);
  await expect(network.openStream(5, 'scan')).rejects.toMatchObject({
    code: '0A000',
    message: expect.stringContaining('node 5'),
  });
});
