// The part of rocksdb-native 3.18.1 that rocksdb-engine.ts uses. The package ships no types. Members that start with
// an underscore are its internals: reading whole chunks through them spares an object, a promise and a stream event
// for each row (the version is pinned exactly, and the engine's conformance suite would notice a change).

declare module 'rocksdb-native' {
  export interface Options {
    readonly maxBackgroundJobs?: number;
    readonly bytesPerSync?: number;
    readonly maxOpenFiles?: number;
    readonly writeBufferSize?: number;
    readonly maxWriteBufferNumber?: number;
    readonly tableBlockSize?: number;
    readonly optimizeFiltersForMemory?: boolean;
    readonly skipStatsUpdateOnOpen?: boolean;
  }

  export interface Batch {
    /** What is to be read or written: any object with the fields of GetOperation or WriteOperation. */
    _operations: object[];
    _handle: object | null;
    _resize(): void;
    _onfinished(error: Error | null): void;
    ready(): Promise<void>;
    flush(): Promise<void>;
    tryFlush(): void;
    destroy(): void;
  }

  export interface ReadBatch extends Batch {
    _onread(errors: (Error | undefined)[], values: (ArrayBuffer | null)[]): void;
    get(key: Uint8Array): Promise<Uint8Array | null>;
  }

  export interface WriteBatch extends Batch {
    tryPut(key: Uint8Array, value: Uint8Array): void;
    tryDelete(key: Uint8Array): void;
    tryDeleteRange(start: Uint8Array, end: Uint8Array): void;
  }

  export type IteratorCallback = (error?: Error | null) => void;

  export interface Iterator {
    _capacity: number;
    _pendingRead: IteratorCallback | null;
    _db: { readonly _state: { readonly io: { dec(): void } } };
    _resize(): void;
    _open(done: IteratorCallback): Promise<void>;
    _read(done: IteratorCallback): Promise<void>;
    _destroy(done: IteratorCallback): Promise<void>;
    _onread(error: Error | undefined, keys: ArrayBuffer[], values: ArrayBuffer[]): void;
  }

  export interface Range {
    readonly gte?: Uint8Array;
    readonly lt?: Uint8Array;
  }

  export default class RocksDB {
    constructor(path: string, options?: Options);
    ready(): Promise<void>;
    close(): Promise<void>;
    flush(): Promise<void>;
    read(options?: { readonly capacity?: number }): ReadBatch;
    write(options?: { readonly capacity?: number }): WriteBatch;
    iterator(
      range: Range,
      options: { readonly capacity: number; readonly reverse: boolean },
    ): Iterator;
    /** A session that reads at a snapshot until it is closed. */
    snapshot(): RocksDB;
    approximateSize(
      start: Uint8Array,
      end: Uint8Array,
      options: { readonly includeMemtables: boolean },
    ): Promise<number>;
  }
}
