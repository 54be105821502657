// A connection whose other end has gone without a word is found out by pings. What follows from that is Raft's to decide.

import type { Http2Session } from 'node:http2';
import type { Timers } from '../runtime/runtime.ts';

const PING_EVERY_MICROS = 5_000_000;

/** Breaks the session when a ping is not answered before the next. */
export function keepAlive(session: Http2Session, timers: Timers): void {
  let isWaiting = false;
  let timer: Disposable | undefined;
  const ping = (): void => {
    if (session.destroyed) return;
    if (isWaiting) {
      session.destroy(new Error('it answers no pings'));
      return;
    }
    if (!session.connecting) {
      isWaiting = session.ping((error) => {
        if (error === null) isWaiting = false;
      });
    }
    timer = timers.after(PING_EVERY_MICROS, ping);
  };
  timer = timers.after(PING_EVERY_MICROS, ping);
  session.once('close', () => timer?.[Symbol.dispose]());
}
