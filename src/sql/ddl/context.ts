// What a schema change may touch.

import type { Log } from '../../runtime/runtime.ts';
import type { Transaction, Transactions } from '../../txn/api.ts';
import type { CatalogView } from '../catalog/api.ts';
import type { ClusterAdmin } from '../cluster-admin.ts';
import type { SessionValues } from '../exec/plan-api.ts';

export interface DdlContext {
  readonly txn: Transaction;
  readonly catalog: CatalogView;
  readonly transactions: Transactions;
  /** Catalog.clearIndex */
  clearIndex(indexId: number): Promise<void>;
  /** Schemas that exist, in order. */
  searchPath(): readonly string[];
  notice(severity: 'NOTICE' | 'WARNING', code: string, message: string): void;
  /** The transaction changed the schema: what to do once it has committed, or has not. */
  schemaChanged(committed: () => void, rolledBack: () => void): void;
  checkCancelled(): void;
  readonly session: SessionValues;
  /** Catalog.nextRowId */
  nextRowId(): number;
  readonly cluster: ClusterAdmin;
  readonly log: Log;
}
