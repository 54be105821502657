// What AWS's ClockBound daemon knows of the machine's clock, read from the file that it shares.

import { type FileHandle, open } from 'node:fs/promises';
import { decodeSegment, type Segment, SEGMENT_BYTES_MAX } from './clockbound-segment.ts';
import { codeOf } from './file-errors.ts';
import { machineOffsetMicros, monotonicMicros } from './monotonic.ts';
import type { DaemonAnswer, TimeDaemon } from './polled-bound.ts';

/** The daemon writes once a second. More often, since it also says there that the clock was disrupted; it costs 0.2 ms. */
const EVERY_MICROS = 200_000;
/** Its times are of CLOCK_MONOTONIC_COARSE: Node's clock as of the kernel's last tick, 10 ms ago at most. */
const TICK_MICROS = 10_000;
/** A write takes microseconds. */
const READS_MAX = 5;

export function clockBound(
  path: string,
  monotonic: () => number = monotonicMicros,
  machineOffset: () => number = machineOffsetMicros,
): TimeDaemon {
  /** As last seen. */
  let disruptions: bigint | undefined;
  return {
    name: 'clockbound',
    hint: `Is ClockBound's daemon running, and chronyd synchronised? It must share ${path} with this user.`,
    everyMicros: EVERY_MICROS,
    ask: async () => {
      const segment = await readSegment(path);
      const wasDisrupted = disruptions !== undefined && disruptions !== segment.disruptions;
      disruptions = segment.disruptions;
      // By the next reading it is known what the clock is worth now; what was said in between is not (P7).
      if (wasDisrupted) return { kind: 'void', reason: 'the clock was disrupted' };
      return answerOf(segment, machineOffset(), monotonic());
    },
  };
}

function answerOf(segment: Segment, machineOffset: number, now: number): DaemonAnswer {
  const { boundMicros, drift, status } = segment;
  const atMicros = segment.asOfMicros - machineOffset;
  const voidAfterMicros = segment.voidAfterMicros - machineOffset;
  if (status === 'unknown' || status === 'disrupted') {
    return { kind: 'void', reason: `the clock's status is "${status}"` };
  }
  // As from another boot of the machine.
  if (atMicros > now + TICK_MICROS) return { kind: 'void', reason: 'its file is of the future' };
  if (voidAfterMicros < now) {
    return { kind: 'void', reason: 'it has not written its file for too long' };
  }
  return {
    kind: 'vouched',
    vouched: {
      boundMicros,
      atMicros: Math.min(atMicros, now) - TICK_MICROS,
      drift,
      voidAfterMicros,
    },
  };
}

/** Opened each time: a daemon that starts anew may make a new one. */
async function readSegment(path: string): Promise<Segment> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    const why = codeOf(error) === 'ENOENT' ? 'is missing' : `can not be read (${codeOf(error)})`;
    throw new Error(`${path} ${why}`);
  }
  try {
    return await readConsistent(file);
  } finally {
    await file.close();
  }
}

/** The generation before, in and after what is read must be one: nothing was written meanwhile. */
async function readConsistent(file: Pick<FileHandle, 'read'>): Promise<Segment> {
  for (let i = 1; ; i++) {
    try {
      const before = await readOnce(file);
      const segment = await readOnce(file);
      const after = await readOnce(file);
      if (before.generation === after.generation && segment.generation === after.generation) {
        return segment;
      }
      throw new Error('its file is being written');
    } catch (error) {
      if (i === READS_MAX) throw error;
    }
  }
}

async function readOnce(file: Pick<FileHandle, 'read'>): Promise<Segment> {
  const bytes = new Uint8Array(SEGMENT_BYTES_MAX);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
  return decodeSegment(bytes.subarray(0, bytesRead));
}
