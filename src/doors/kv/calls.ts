// What this door needs of gRPC calls. The node's RPC server has it.

import type { status } from '@grpc/grpc-js';

export interface CallFailure {
  readonly status: keyof typeof status;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>> | undefined;
}

export type Answer<R> = (failure: CallFailure | null, response?: R) => void;

export type UnaryHandler<Q, R> = (call: { readonly request: Q }, answer: Answer<R>) => void;

export interface CallStream<Q, R> {
  /** False: the client takes no more for now; onDrain tells when it does. */
  write(message: R): boolean;
  onMessage(handler: (message: Q) => void): void;
  onEnd(handler: () => void): void;
  onDrain(handler: () => void): void;
  onOver(handler: () => void): void;
  pause(): void;
  resume(): void;
  end(): void;
  fail(failure: CallFailure): void;
  readonly isOver: boolean;
}
