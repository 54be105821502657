// Keeps one stream to a peer open: dials, shakes hands, and after each failure waits longer before the next try, up to
// a bound and with chance in it, so that the nodes of a cluster don't all come at once.

import type { NodeId, Runtime } from '../runtime/runtime.ts';
import type { Call, Ending } from './call.ts';
import { startCall } from './client-call.ts';
import { encodeEnvelope } from './frame-queue.ts';
import { Envelope } from './generated/peer.ts';
import { cardOf, helloTo, type NodeCard, type Refusal, refusalOf } from './hello.ts';
import type { TlsMaterial } from './tls.ts';

const BACKOFF_MICROS_MIN = 100_000;
const BACKOFF_MICROS_MAX = 5_000_000;
const HANDSHAKE_MICROS_MAX = 5_000_000;

export interface DiallerOptions {
  readonly runtime: Pick<Runtime, 'timers' | 'random'>;
  readonly self: NodeCard;
  readonly nodeId: NodeId;
  readonly address: string;
  readonly tls: TlsMaterial | undefined;
  /** Of the method that is called. */
  readonly path: string;
  /** The handshake is done; messages go to what is returned. */
  opened(call: Call, peer: NodeCard): (message: Buffer) => void;
  /** It was open. */
  lost(ending: Ending): void;
  /** It never was. `byUs`: we refused it, otherwise it refused us or can't be reached. */
  failed(refusal: Refusal, byUs: boolean): void;
}

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'waiting'; readonly timer: Disposable }
  | { readonly kind: 'dialling' | 'open'; readonly attempt: Attempt }
  | { readonly kind: 'stopped' };

interface Attempt {
  readonly call: Call;
  readonly handshake: Disposable;
}

export class Dialler {
  readonly #options: DiallerOptions;
  #state: State = { kind: 'idle' };
  #backoffMicros = BACKOFF_MICROS_MIN;

  constructor(options: DiallerOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#state.kind === 'idle') this.#dial();
  }

  /** The peer says that it is there: don't wait any longer. */
  hurry(): void {
    this.#backoffMicros = BACKOFF_MICROS_MIN;
    if (this.#state.kind !== 'waiting') return;
    this.#state.timer[Symbol.dispose]();
    this.#dial();
  }

  stop(): void {
    const state = this.#state;
    this.#state = { kind: 'stopped' };
    if (state.kind === 'waiting') state.timer[Symbol.dispose]();
    if (state.kind === 'dialling' || state.kind === 'open') {
      state.attempt.call.fail({ status: 'CANCELLED', reason: 'this node stops' });
    }
  }

  #dial(): void {
    const { address, tls, path, nodeId, self, runtime } = this.#options;
    let call: Call;
    try {
      call = startCall(address, path, tls, runtime.timers);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.failed({ status: 'INVALID_ARGUMENT', reason }, true);
      this.#wait();
      return;
    }
    const handshake = runtime.timers.after(HANDSHAKE_MICROS_MAX, () => {
      call.fail({ status: 'DEADLINE_EXCEEDED', reason: 'it does not answer' });
    });
    const attempt: Attempt = { call, handshake };
    this.#state = { kind: 'dialling', attempt };

    let take = (message: Buffer): void => {
      take = this.#shakeHands(attempt, message);
    };
    call.onMessage((message) => take(message));
    call.onEnd(() => call.end());
    call.onOver((ending) => this.#over(attempt, ending));
    call.write(encodeEnvelope({ hello: helloTo(nodeId, self) }), () => {});
  }

  #shakeHands(attempt: Attempt, message: Buffer): (message: Buffer) => void {
    const { nodeId, self, tls } = this.#options;
    const { call, handshake } = attempt;
    const hello = helloOf(message);
    const refusal = refusalOf(hello, self, {
      nodeId,
      certificate: tls === undefined ? undefined : { shown: call.certificate() },
    });
    if (this.#state.kind !== 'dialling') return ignore;
    if (hello === undefined || refusal !== undefined) {
      // It is told why; the timer of the handshake ends the call if it doesn't.
      call.write(encodeEnvelope({ refusal: refusal?.reason ?? '' }), () => {});
      call.end();
      if (refusal !== undefined) this.#options.failed(refusal, true);
      return ignore;
    }
    handshake[Symbol.dispose]();
    this.#backoffMicros = BACKOFF_MICROS_MIN;
    this.#state = { kind: 'open', attempt };
    return this.#options.opened(call, cardOf(hello));
  }

  #over({ handshake }: Attempt, ending: Ending): void {
    handshake[Symbol.dispose]();
    const { kind } = this.#state;
    if (kind === 'stopped') return;
    if (kind === 'open') this.#options.lost(ending);
    // OK: it ended because we refused it, and have said so.
    else if (ending.status !== 'OK') this.#options.failed(ending, false);
    this.#wait();
  }

  #wait(): void {
    const { timers, random } = this.#options.runtime;
    const micros = this.#backoffMicros / 2 + random.below(this.#backoffMicros);
    this.#backoffMicros = Math.min(BACKOFF_MICROS_MAX, this.#backoffMicros * 2);
    const timer = timers.after(Math.min(BACKOFF_MICROS_MAX, micros), () => this.#dial());
    this.#state = { kind: 'waiting', timer };
  }
}

/** Undefined when the message has none, or makes no sense. */
function helloOf(message: Buffer): Envelope['hello'] {
  try {
    return Envelope.decode(message).hello;
  } catch {
    return undefined;
  }
}

function ignore(): void {
  // What a refused peer goes on saying.
}
