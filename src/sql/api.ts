// What a door (pgwire, the embedded API) asks of SQL: a session that takes PostgreSQL's messages as method calls, and
// a sink that takes results. Doors know nothing of plans; SQL knows nothing of sockets.

import type { DbError } from '../base/errors.ts';
import type { Maybe } from '../base/maybe.ts';
import type { Datum } from '../rows/datum.ts';
import type { RowView } from '../rows/row-codec.ts';
import type { ColumnType } from '../rows/types.ts';

export interface ResultField {
  readonly name: string;
  readonly type: ColumnType;
  /** 0 when it is not a column of a table. */
  readonly tableId: number;
  /** 1-based; 0 when it is not a column of a table. */
  readonly columnNumber: number;
}

/** Takes the results of one statement at a time. Methods never block; `full` asks the producer to await drained(). */
export interface ResultSink {
  /** Before the first row, for statements that return rows and were not described before (simple protocol). */
  fields(fields: readonly ResultField[]): void;
  /** One row whose output columns are datums. The array is the producer's and is reused. */
  tuple(values: readonly Datum[]): void;
  /** One row whose output columns are stored columns `positions` of a packed row: transcoded without datums. */
  stored(row: RowView, positions: readonly number[]): void;
  /** 'INSERT 0 1', 'SELECT 5', … */
  complete(tag: string): void;
  emptyQuery(): void;
  suspended(): void;
  notice(severity: 'NOTICE' | 'WARNING' | 'INFO', code: string, message: string): void;
  parameterStatus(name: string, value: string): void;
  error(error: DbError): void;
  /** COPY … TO STDOUT. */
  copyOut(columnCount: number): void;
  copyData(chunk: Uint8Array): void;
  copyOutDone(): void;
  readonly full: boolean;
  drained(): Promise<void>;
}

/** COPY … FROM STDIN: the door answers CopyInResponse and feeds it. */
export interface CopyIn {
  readonly columnCount: number;
  /** Resolves when more may be sent. Throws DbError; the copy is then over. */
  data(chunk: Uint8Array): Maybe<void>;
  /** The tag. */
  done(): Promise<string>;
  fail(message: string): void;
}

export type SimpleOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'copyIn'; readonly copy: CopyIn };
export type ExecuteOutcome = SimpleOutcome;

/** Parameter values as they came: each undefined (NULL) or bytes in the format given for it. */
export interface BindRequest {
  readonly portal: string;
  readonly statement: string;
  /** 0 text, 1 binary; empty: all text; one: for all. */
  readonly parameterFormats: readonly number[];
  readonly parameters: readonly (Uint8Array | undefined)[];
  readonly resultFormats: readonly number[];
}

export type TransactionStatus = 'I' | 'T' | 'E';

export interface Session {
  readonly status: TransactionStatus;
  /** Runs all statements of the text; results and errors go to the sink. After a copyIn outcome, call simpleContinue
   * when the copy is over. */
  simple(text: string, sink: ResultSink): Maybe<SimpleOutcome>;
  simpleContinue(sink: ResultSink): Maybe<SimpleOutcome>;

  /** The extended protocol. All throw (or reject with) DbError; the door then skips to Sync. */
  parse(name: string, text: string, parameterTypes: readonly number[]): Maybe<void>;
  bind(request: BindRequest): Maybe<void>;
  describeStatement(name: string): {
    readonly parameterTypes: readonly number[];
    readonly fields: readonly ResultField[] | undefined;
  };
  /** For the door to encode rows: fields and result formats of a bound portal. */
  portalShape(name: string): {
    readonly fields: readonly ResultField[] | undefined;
    readonly resultFormats: readonly number[];
  };
  /** maxRows 0 is no limit. */
  execute(portal: string, maxRows: number, sink: ResultSink): Maybe<ExecuteOutcome>;
  closeStatement(name: string): void;
  closePortal(name: string): void;
  /** Ends the implicit transaction of an extended-protocol batch. Throws what its commit throws. */
  sync(): Maybe<void>;
  /** After an error in the extended protocol: an explicit transaction becomes 'E', an implicit one is rolled back. */
  failed(): void;

  /** From another connection's CancelRequest, or the door's closing: the running statement ends with 57014. */
  cancel(): void;
  /** Rolls back, drops everything; idempotent. */
  close(): void;
}

export interface SessionOptions {
  readonly user: string;
  readonly database: string;
  /** Start-up parameters: application_name, client_encoding, DateStyle, TimeZone, options, … */
  readonly parameters: Readonly<Record<string, string>>;
}

export interface SqlServer {
  /** Throws DbError 3D000 and the like. */
  openSession(options: SessionOptions): Session;
  /** What ParameterStatus tells at start-up. */
  parameterStatuses(session: Session): ReadonlyMap<string, string>;
}
