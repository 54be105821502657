// One end of a port and its handshake, whatever carries its signals; and threads that are not threads: the same code on
// this one, for the simulator and for small nodes.

import type { Port, Timers, WorkerEntry } from './runtime.ts';

/** What travels: a message, or that the sender is through and sends nothing more. */
export type PortSignal = Uint8Array | 'through';

/** Signals must arrive in order at the other end's receive(). Posts after close() go nowhere. */
export class PortEnd implements Port {
  readonly #carry: (signal: PortSignal) => void;
  /** Owners answer a close at once; a worker goes on until its work is over. */
  readonly #answersClose: boolean;
  #isThrough = false;
  #isOtherThrough = false;
  readonly #whenOtherThrough: Promise<void>;
  #tellOtherThrough: () => void = () => {};

  #messageHandler: ((message: Uint8Array) => void) | undefined;
  /** Came before there was a handler, or while these are handed over. */
  #early: Uint8Array[] | undefined = [];
  #closeHandler: ((error: Error | undefined) => void) | undefined;
  #ending: { readonly error: Error | undefined } | undefined;

  constructor(carry: (signal: PortSignal) => void, answersClose: boolean) {
    this.#carry = carry;
    this.#answersClose = answersClose;
    this.#whenOtherThrough = new Promise((resolve) => {
      this.#tellOtherThrough = resolve;
    });
  }

  post(message: Uint8Array): void {
    if (!this.#isThrough) this.#carry(message);
  }

  onMessage(handler: (message: Uint8Array) => void): void {
    this.#messageHandler = handler;
    queueMicrotask(() => this.#handOverEarly());
  }

  #handOverEarly(): void {
    const early = this.#early ?? [];
    while (early.length > 0) this.#messageHandler?.(early.shift() as Uint8Array);
    this.#early = undefined;
    this.#tellEnding();
  }

  onClose(handler: (error: Error | undefined) => void): void {
    this.#closeHandler = handler;
    queueMicrotask(() => this.#tellEnding());
  }

  /** Once, and after the messages that came before it, if anyone wants them. */
  #tellEnding(): void {
    const isBehind = this.#early !== undefined && this.#messageHandler !== undefined;
    const handler = this.#closeHandler;
    if (this.#ending === undefined || handler === undefined || isBehind) return;
    this.#closeHandler = undefined;
    handler(this.#ending.error);
  }

  close(): Promise<void> {
    if (!this.#isThrough) {
      this.#isThrough = true;
      this.#carry('through');
    }
    return this.#whenOtherThrough;
  }

  receive(signal: PortSignal): void {
    if (signal === 'through') {
      this.#end(undefined);
      if (this.#answersClose) void this.close();
    } else if (this.#early !== undefined) {
      this.#early.push(signal);
    } else {
      this.#messageHandler?.(signal);
    }
  }

  /** The other side died. */
  fail(error: Error): void {
    this.#isThrough = true;
    this.#end(error);
  }

  #end(error: Error | undefined): void {
    if (this.#isOtherThrough) return;
    this.#isOtherThrough = true;
    this.#tellOtherThrough();
    // Who closed first need not be told that it worked.
    if (this.#isThrough && error === undefined) return;
    this.#ending = { error };
    this.#tellEnding();
  }
}

/** Carries signals in batches, one turn later. */
class InlineCarrier {
  readonly #soon: Timers['soon'];
  readonly #receive: (signal: PortSignal) => void;
  #queue: PortSignal[] = [];

  constructor(soon: Timers['soon'], receive: (signal: PortSignal) => void) {
    this.#soon = soon;
    this.#receive = receive;
  }

  readonly carry = (signal: PortSignal): void => {
    if (this.#queue.push(signal) === 1) this.#soon(this.#deliver);
  };

  readonly #deliver = (): void => {
    const batch = this.#queue;
    this.#queue = [];
    for (const signal of batch) this.#receive(signal);
  };
}

/** The owner's end and the worker's. Messages are handed over as they are, not copied. */
export function createInlinePorts(soon: Timers['soon']): { owner: PortEnd; worker: PortEnd } {
  const toWorker = new InlineCarrier(soon, (signal) => worker.receive(signal));
  const toOwner = new InlineCarrier(soon, (signal) => owner.receive(signal));
  const owner = new PortEnd(toWorker.carry, true);
  const worker = new PortEnd(toOwner.carry, false);
  return { owner, worker };
}

/** Threads.start() without a thread. */
export function startInline(soon: Timers['soon'], entry: WorkerEntry, data: unknown): Port {
  const { owner, worker } = createInlinePorts(soon);
  const run = async (ownData: unknown): Promise<void> => {
    try {
      await entry.inline(worker, ownData);
      await worker.close();
    } catch (error) {
      owner.fail(error instanceof Error ? error : new Error(String(error)));
    }
  };
  const cloned = structuredClone(data);
  soon(() => void run(cloned));
  return owner;
}
