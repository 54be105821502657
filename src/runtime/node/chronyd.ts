// What chronyd knows of the machine's clock, asked over its command port on this machine.

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { decodeTrackingReply, encodeTrackingRequest, type Tracking } from './chrony-tracking.ts';
import { codeOf } from './file-errors.ts';
import { monotonicMicros } from './monotonic.ts';
import type { TimeDaemon, Vouched } from './polled-bound.ts';

const HOST = '127.0.0.1';
const ANSWER_MILLIS = 1000;
/** What a clock may gain or lose between two reports (DESIGN.md section 4). */
const DRIFT = 200e-6;
/** Its numbers have 24 bits. */
const ROUNDING = 1 + 2 ** -23;

export function chronyd(source: {
  readonly everyMicros: number;
  readonly port: number;
}): TimeDaemon {
  const { everyMicros, port } = source;
  return {
    name: 'chronyd',
    hint: `Is chronyd running and synchronised (chronyc tracking, chronyc waitsync)? It must answer on UDP ${HOST}:${port} (cmdport).`,
    everyMicros,
    ask: async () => {
      const sequence = randomInt(2 ** 32);
      // The report is of a moment after this one: its bound has grown for no longer.
      const atMicros = monotonicMicros();
      const reply = await exchange(port, encodeTrackingRequest(sequence));
      const tracking = decodeTrackingReply(reply, sequence);
      if (!tracking.isSynchronised) return { kind: 'unsure', reason: 'it is not synchronised' };
      return { kind: 'vouched', vouched: vouchedBy(tracking, atMicros) };
    },
  };
}

/** The bound that chrony documents. Its "system time", not its last offset, is how far off the clock is now. */
export function vouchedBy(tracking: Tracking, atMicros: number): Vouched {
  const { offsetSeconds, rootDelaySeconds, rootDispersionSeconds } = tracking;
  const seconds =
    Math.abs(offsetSeconds) + Math.abs(rootDispersionSeconds) + Math.abs(rootDelaySeconds) / 2;
  return {
    boundMicros: seconds * 1e6 * ROUNDING,
    atMicros,
    drift: DRIFT,
    voidAfterMicros: Number.POSITIVE_INFINITY,
  };
}

/** A socket for each question: a late answer to another one can't be taken for this one's. */
async function exchange(port: number, request: Uint8Array): Promise<Uint8Array> {
  const socket = createSocket('udp4');
  let timeout: NodeJS.Timeout | undefined;
  try {
    return await new Promise<Uint8Array>((answered, failed) => {
      const late = (): void => {
        failed(new Error(`no answer from ${HOST}:${port} within ${ANSWER_MILLIS} ms`));
      };
      // One more turn: after a long one the answer may be there, not taken in yet.
      timeout = setTimeout(() => setImmediate(late), ANSWER_MILLIS);
      socket.once('message', answered);
      // Connected, so that a port where nobody listens says so, and nobody else's datagrams are taken.
      socket.on('error', (error) => {
        const isDeaf = codeOf(error) === 'ECONNREFUSED';
        failed(isDeaf ? new Error(`nothing listens on UDP ${HOST}:${port}`) : error);
      });
      socket.once('connect', () => socket.send(request));
      socket.connect(port, HOST);
    });
  } finally {
    clearTimeout(timeout);
    socket.close();
  }
}
