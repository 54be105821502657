// What clients asked of registers and were answered, in the order in which it happened: what register.ts judges.

import { assert } from '../../base/assert.ts';

/** `failed`: surely never happens. `unknown`: may happen at any time after the call, or never. */
export type Outcome = 'done' | 'unknown' | 'failed';

export interface RegisterOperation {
  readonly key: string;
  readonly client: string;
  readonly kind: 'read' | 'write';
  /** What was written, or read; undefined: nothing was in the register. No value is written twice to one key. */
  readonly value: number | undefined;
  readonly outcome: Outcome;
  /** Places in the order of all calls and answers; `completed` counts only of what is done. */
  readonly invoked: number;
  readonly completed: number;
  /** For people. */
  readonly invokedMicros: number;
  readonly completedMicros: number;
}

type Open = { -readonly [K in keyof RegisterOperation]: RegisterOperation[K] };

export class RegisterHistory {
  readonly operations: RegisterOperation[] = [];
  readonly #nowMicros: () => number;
  #places = 0;

  constructor(nowMicros: () => number) {
    this.#nowMicros = nowMicros;
  }

  /** Its outcome is unknown until it is told. `value` of a write. */
  call(
    client: string,
    key: string,
    kind: RegisterOperation['kind'],
    value?: number,
  ): RegisterOperation {
    const operation: RegisterOperation = {
      key,
      client,
      kind,
      value,
      outcome: 'unknown',
      invoked: this.#places++,
      completed: Number.POSITIVE_INFINITY,
      invokedMicros: this.#nowMicros(),
      completedMicros: Number.POSITIVE_INFINITY,
    };
    this.operations.push(operation);
    return operation;
  }

  /** `value` of a read. */
  done(operation: RegisterOperation, value?: number): void {
    const open = this.#close(operation, 'done');
    if (operation.kind === 'read') open.value = value;
  }

  failed(operation: RegisterOperation): void {
    this.#close(operation, 'failed');
  }

  #close(operation: RegisterOperation, outcome: Outcome): Open {
    assert(operation.outcome === 'unknown', 'an operation ends once');
    const open: Open = operation;
    open.outcome = outcome;
    open.completed = this.#places++;
    open.completedMicros = this.#nowMicros();
    return open;
  }
}
