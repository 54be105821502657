// What a storage shard asks of the store beneath it: an ordered map of byte strings with atomic batches. Two
// implementations, RocksDB and memory, with one conformance suite.

export interface Span {
  readonly start: Uint8Array;
  /** Exclusive; undefined is the end of the keyspace. */
  readonly end: Uint8Array | undefined;
}

export interface EngineScanOptions {
  readonly reverse?: boolean;
  /** Bytes of keys and values in one batch, at least one pair each. */
  readonly batchBytes?: number;
}

/** Pairs in parallel arrays, in key order (or reverse); valid until the next batch is asked for. */
export interface EngineBatch {
  readonly keys: readonly Uint8Array[];
  readonly values: readonly Uint8Array[];
  /** Surely nothing follows: the reader need not ask. False says nothing. */
  readonly isLast: boolean;
}

export interface EngineReader {
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  scan(span: Span, options?: EngineScanOptions): AsyncIterable<EngineBatch>;
}

export type EngineOp =
  | { readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: Uint8Array }
  | { readonly kind: 'deleteSpan'; readonly span: Span };

export interface EngineSnapshot extends EngineReader {
  /** Must be called: an open snapshot keeps the engine from closing. */
  release(): void;
}

export interface Engine extends EngineReader {
  /** Atomic, visible to reads when it resolves, not synced. Ops apply in order. */
  write(ops: readonly EngineOp[]): Promise<void>;
  /** All writes so far survive power loss. */
  flush(): Promise<void>;
  snapshot(): EngineSnapshot;
  approximateBytes(span: Span): Promise<number>;
  close(): Promise<void>;
}
