// SQL is served by a node as long as it has a lease on the schema (sql/catalog/schema-gateway.ts). When that ends, open
// transactions are aborted. Sessions, prepared statements and settings outlive it; plans are made again, since the
// catalog's version is another.

import { DbError } from '../../base/errors.ts';
import type { NodeId } from '../../runtime/runtime.ts';
import type { SqlServer } from '../../sql/api.ts';
import type { Coordinator } from '../../txn/transactions.ts';
import type { Member } from '../identity.ts';

export interface SqlServingParts {
  /** Of the sessions. */
  readonly transactions: Coordinator;
  /** What clients are told meanwhile. */
  refusal(): DbError;
}

export class SqlServing {
  readonly #parts: SqlServingParts;
  #isServing = false;
  #firstServed: () => void = () => {};
  /** Resolves when SQL is served for the first time. */
  readonly served: Promise<void>;

  constructor(parts: SqlServingParts) {
    this.#parts = parts;
    this.served = new Promise((resolve) => {
      this.#firstServed = resolve;
    });
    parts.transactions.suspend(() => parts.refusal());
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  begin(): void {
    this.#isServing = true;
    this.#parts.transactions.resume();
    this.#firstServed();
  }

  cease(): void {
    if (!this.#isServing) return;
    this.#isServing = false;
    this.#parts.transactions.suspend(() => this.#parts.refusal());
  }

  /** New sessions are opened only while SQL is served. */
  guard(server: SqlServer): SqlServer {
    return {
      openSession: (options) => {
        if (!this.#isServing) throw this.#parts.refusal();
        return server.openSession(options);
      },
      parameterStatuses: (session) => server.parameterStatuses(session),
    };
  }
}

export function notServing(
  nodeId: NodeId,
  broken: string | undefined,
  leader: Member | undefined,
): DbError {
  if (broken !== undefined) {
    return new DbError('57P03', `node ${nodeId} does not serve: ${broken}`, {
      hint: 'Look at the log of the node.',
    });
  }
  if (leader === undefined) {
    return new DbError(
      '57P03',
      `node ${nodeId} does not serve SQL: nobody is known who leads the schema`,
      {
        hint: 'Try again in a moment.',
      },
    );
  }
  return new DbError(
    '57P03',
    `node ${nodeId} does not serve SQL now: it waits for a lease on the schema from node ${leader.nodeId}`,
    { hint: `Try again in a moment, or connect to ${leader.sql}.` },
  );
}
