// One client connection: PostgreSQL's protocol 3.0 as a state machine over framed messages. Messages are handled in
// order, each at once where it can be and with a promise where it must be; while one waits, input gathers up to a
// bound, then the socket is paused. A client that vanishes cancels its statement and rolls back.

import type { Socket } from 'node:net';
import { DbError, unsupported } from '../../base/errors.ts';
import { isPromise, type Maybe } from '../../base/maybe.ts';
import type { CopyIn, ExecuteOutcome, Session, SqlServer } from '../../sql/api.ts';
import { BodyReader, MessageFramer, ProtocolViolation } from './framing.ts';
import { WireOutput } from './output.ts';

/** Input that may wait while a statement runs, before the socket is paused. */
const INPUT_BYTES_MAX: number = 1024 * 1024;
/** Output that may wait in the socket before a statement is held up. */
const OUTPUT_BYTES_MAX: number = 1024 * 1024;

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
const PROTOCOL_3 = 3;

const Q_QUERY = 0x51;
const P_PARSE = 0x50;
const B_BIND = 0x42;
const D_DESCRIBE = 0x44;
const E_EXECUTE = 0x45;
const C_CLOSE = 0x43;
const H_FLUSH = 0x48;
const S_SYNC = 0x53;
const X_TERMINATE = 0x58;
const F_FUNCTION = 0x46;
const D_COPY_DATA = 0x64;
const C_COPY_DONE = 0x63;
const F_COPY_FAIL = 0x66;
const STATEMENT = 0x53;

/** What one connection needs from the server that accepted it. */
export interface ConnectionHost {
  readonly sql: SqlServer;
  readonly processId: number;
  readonly secret: number;
  cancel(processId: number, secret: number): void;
  closed(): void;
  /** A broken invariant or an unknown error: the node decides whether it goes on. */
  broken(error: unknown): void;
}

type Mode =
  | { readonly kind: 'startup' }
  | { readonly kind: 'ready' }
  /** After an error in the extended protocol: everything up to Sync is discarded. */
  | { readonly kind: 'skipping' }
  | { readonly kind: 'copyIn'; readonly copy: CopyIn; readonly simple: boolean }
  | { readonly kind: 'closed' };

export class Connection {
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #framer = new MessageFramer();
  readonly #body = new BodyReader();
  readonly #output: WireOutput;
  #session: Session | undefined;
  #mode: Mode = { kind: 'startup' };
  #busy = false;
  #paused = false;
  /** There is output that the client waits for. */
  #answered = false;
  #drainWaiters: (() => void)[] = [];

  constructor(socket: Socket, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
    this.#output = new WireOutput({
      write: (bytes) => {
        if (!socket.destroyed) socket.write(bytes);
      },
      get congested() {
        return socket.writableLength > OUTPUT_BYTES_MAX && !socket.destroyed;
      },
      drained: () => this.#drained(),
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('drain', () => this.#wakeDrained());
    socket.on('error', () => this.#end());
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#end());
  }

  /** The server stops: tell the client, then close. */
  shutDown(): void {
    if (this.#mode.kind === 'closed') return;
    this.#fatal(
      new DbError('57P01', 'terminating connection: the server is shutting down', {
        hint: 'Connect again when the server is back.',
      }),
    );
  }

  cancel(): void {
    this.#session?.cancel();
  }

  /** For a client that doesn't take its last message. */
  destroy(): void {
    this.#socket.destroy();
  }

  #received(chunk: Buffer): void {
    if (this.#mode.kind === 'closed') return;
    this.#framer.push(chunk);
    if (this.#busy) {
      if (this.#framer.pending > INPUT_BYTES_MAX && !this.#paused) {
        this.#paused = true;
        this.#socket.pause();
      }
      return;
    }
    this.#pump();
  }

  /** Handles messages until none is whole or one has to wait. */
  #pump(): void {
    while (this.#mode.kind !== 'closed') {
      try {
        if (!this.#framer.next()) break;
        const waiting = this.#dispatch();
        if (isPromise(waiting)) {
          this.#busy = true;
          if (this.#answered) this.#flush();
          waiting.then(this.#onDone, this.#onFailed);
          return;
        }
      } catch (error) {
        this.#failed(error);
      }
    }
    if (this.#answered) this.#flush();
  }

  /** As PostgreSQL, output leaves when an answer is whole (ReadyForQuery), when the client asks (Flush), or when much
   * has gathered: a statement that waits costs no system call of its own. */
  #flush(): void {
    this.#answered = false;
    this.#output.flush();
  }

  #ready(): void {
    this.#output.readyForQuery((this.#session as Session).status);
    this.#answered = true;
  }

  readonly #onDone = (): void => this.#resume();

  readonly #onFailed = (error: unknown): void => {
    this.#failed(error);
    this.#resume();
  };

  #resume(): void {
    this.#busy = false;
    if (this.#paused) {
      this.#paused = false;
      this.#socket.resume();
    }
    this.#pump();
  }

  #dispatch(): Maybe<void> {
    const { type, bytes, start, end } = this.#framer;
    const body = this.#body;
    body.reset(bytes, start, end);
    const mode = this.#mode;
    switch (mode.kind) {
      case 'startup':
        return this.#startup(body);
      case 'skipping':
        if (type === X_TERMINATE) return this.#end();
        if (type !== S_SYNC) return undefined;
        this.#mode = { kind: 'ready' };
        return this.#sync();
      case 'copyIn':
        return this.#copy(type, body, mode.copy, mode.simple);
      case 'ready':
        return this.#message(type, body);
      case 'closed':
        return undefined;
    }
  }

  #message(type: number, body: BodyReader): Maybe<void> {
    const session = this.#session as Session;
    const output = this.#output;
    switch (type) {
      case B_BIND:
        return this.#bind(session, body);
      case E_EXECUTE: {
        const portal = body.name();
        const maxRows = body.i32();
        const shape = session.portalShape(portal);
        output.shape(shape.fields, shape.resultFormats);
        const outcome = session.execute(portal, maxRows < 0 ? 0 : maxRows, output);
        if (isPromise(outcome)) return outcome.then((done) => this.#executed(done));
        return this.#executed(outcome);
      }
      case S_SYNC:
        return this.#sync();
      case Q_QUERY: {
        const text = body.text();
        const outcome = session.simple(text, output);
        if (isPromise(outcome)) return outcome.then((done) => this.#simpleDone(done));
        return this.#simpleDone(outcome);
      }
      case P_PARSE: {
        const name = body.name();
        const text = body.text();
        const count = body.i16();
        const types: number[] = [];
        for (let i = 0; i < count; i++) types.push(body.i32() >>> 0);
        const parsed = session.parse(name, text, types);
        if (isPromise(parsed)) return parsed.then(() => output.parseComplete());
        return output.parseComplete();
      }
      case D_DESCRIBE:
        return this.#describe(session, body);
      case C_CLOSE: {
        const what = body.u8();
        const name = body.name();
        if (what === STATEMENT) session.closeStatement(name);
        else session.closePortal(name);
        return output.closeComplete();
      }
      case H_FLUSH:
        return this.#flush();
      case X_TERMINATE:
        return this.#end();
      case F_FUNCTION: {
        output.error(
          unsupported('the function call message', undefined, 'Use SELECT function(...).'),
        );
        return this.#ready();
      }
      case D_COPY_DATA:
      case C_COPY_DONE:
      case F_COPY_FAIL:
        // Left over from a COPY that failed while the client was still sending.
        return undefined;
      default:
        throw new ProtocolViolation(`invalid frontend message type ${type}`);
    }
  }

  #bind(session: Session, body: BodyReader): Maybe<void> {
    const portal = body.name();
    const statement = body.name();
    const parameterFormats = this.#formats(body);
    const count = body.i16();
    const parameters: (Uint8Array | undefined)[] = [];
    for (let i = 0; i < count; i++) {
      const length = body.i32();
      parameters.push(length < 0 ? undefined : body.raw(length));
    }
    const resultFormats = this.#formats(body);
    const bound = session.bind({ portal, statement, parameterFormats, parameters, resultFormats });
    if (isPromise(bound)) return bound.then(() => this.#output.bindComplete());
    return this.#output.bindComplete();
  }

  #formats(body: BodyReader): readonly number[] {
    const count = body.i16();
    if (count === 0) return NO_FORMATS;
    const formats: number[] = [];
    for (let i = 0; i < count; i++) {
      const format = body.i16();
      if (format !== 0 && format !== 1) {
        throw new DbError('22023', `unsupported format code: ${format}`);
      }
      formats.push(format);
    }
    return formats;
  }

  #describe(session: Session, body: BodyReader): void {
    const what = body.u8();
    const name = body.name();
    const output = this.#output;
    if (what === STATEMENT) {
      const { parameterTypes, fields } = session.describeStatement(name);
      output.parameterDescription(parameterTypes);
      if (fields === undefined) output.noData();
      else output.rowDescription(fields, NO_FORMATS);
      return;
    }
    const { fields, resultFormats } = session.portalShape(name);
    if (fields === undefined) output.noData();
    else output.rowDescription(fields, resultFormats);
  }

  #executed(outcome: ExecuteOutcome): void {
    if (outcome.kind === 'copyIn') this.#startCopy(outcome.copy, false);
  }

  #simpleDone(outcome: ExecuteOutcome): void {
    if (outcome.kind === 'copyIn') this.#startCopy(outcome.copy, true);
    else this.#ready();
  }

  #startCopy(copy: CopyIn, simple: boolean): void {
    this.#mode = { kind: 'copyIn', copy, simple };
    this.#output.copyIn(copy.columnCount);
    this.#answered = true;
  }

  #copy(type: number, body: BodyReader, copy: CopyIn, simple: boolean): Maybe<void> {
    switch (type) {
      case D_COPY_DATA:
        return copy.data(body.raw(body.end - body.at));
      case C_COPY_DONE:
        return copy.done().then((tag) => this.#copyOver(tag, simple));
      case F_COPY_FAIL: {
        const reason = body.text();
        copy.fail(reason);
        throw new DbError('57014', `COPY from stdin failed: ${reason}`);
      }
      case H_FLUSH:
      case S_SYNC:
        return undefined;
      case X_TERMINATE:
        return this.#end();
      default:
        copy.fail('unexpected message');
        throw new DbError('08P01', `unexpected message type ${type} during COPY from stdin`);
    }
  }

  #copyOver(tag: string, simple: boolean): Maybe<void> {
    this.#mode = { kind: 'ready' };
    this.#output.complete(tag);
    if (!simple) return undefined;
    const session = this.#session as Session;
    const outcome = session.simpleContinue(this.#output);
    if (isPromise(outcome)) return outcome.then((done) => this.#simpleDone(done));
    return this.#simpleDone(outcome);
  }

  #sync(): Maybe<void> {
    let synced: Maybe<void>;
    try {
      synced = (this.#session as Session).sync();
    } catch (error) {
      this.#tellError(error);
      return this.#ready();
    }
    if (!isPromise(synced)) return this.#ready();
    return synced.then(this.#onSynced, this.#onSyncFailed);
  }

  readonly #onSynced = (): void => this.#ready();

  readonly #onSyncFailed = (error: unknown): void => {
    this.#tellError(error);
    this.#ready();
  };

  // Start-up

  #startup(body: BodyReader): void {
    const code = body.i32();
    if (code === SSL_REQUEST || code === GSS_REQUEST) {
      this.#socket.write('N');
      return;
    }
    if (code === CANCEL_REQUEST) {
      const processId = body.i32();
      const secret = body.i32() >>> 0;
      this.#host.cancel(processId, secret);
      this.#end();
      return;
    }
    const major = code >>> 16;
    const minor = code & 0xffff;
    if (major !== PROTOCOL_3) {
      this.#fatal(
        new DbError(
          '08P01',
          `unsupported frontend protocol ${major}.${minor}: the server speaks 3.0`,
        ),
      );
      return;
    }
    const parameters: Record<string, string> = Object.create(null) as Record<string, string>;
    const unknown: string[] = [];
    for (let key = body.text(); key !== ''; key = body.text()) {
      const value = body.text();
      if (key.startsWith('_pq_.')) unknown.push(key);
      else parameters[key] = value;
    }
    if (minor > 0 || unknown.length > 0) this.#output.negotiateVersion(unknown);
    const user = parameters['user'];
    if (user === undefined || user === '') {
      this.#fatal(new DbError('28000', 'no PostgreSQL user name specified in startup packet'));
      return;
    }
    let session: Session;
    try {
      session = this.#host.sql.openSession({
        user,
        database: parameters['database'] || user,
        parameters,
      });
    } catch (error) {
      this.#fatal(error instanceof DbError ? error : this.#unknown(error));
      return;
    }
    this.#session = session;
    this.#framer.startupDone();
    this.#mode = { kind: 'ready' };
    const output = this.#output;
    output.authenticationOk();
    for (const [name, value] of this.#host.sql.parameterStatuses(session)) {
      output.parameterStatus(name, value);
    }
    output.backendKey(this.#host.processId, this.#host.secret);
    this.#ready();
  }

  // Failure and the end

  /** A statement or a message failed: tell the client, and go on as the protocol says. */
  #failed(error: unknown): void {
    if (this.#mode.kind === 'closed') return;
    if (error instanceof ProtocolViolation) {
      this.#fatal(new DbError('08P01', error.message));
      return;
    }
    const session = this.#session;
    if (session === undefined) {
      this.#fatal(error instanceof DbError ? error : this.#unknown(error));
      return;
    }
    const simple = this.#mode.kind === 'copyIn' ? this.#mode.simple : this.#framer.type === Q_QUERY;
    this.#tellError(error);
    session.failed();
    if (simple) {
      this.#mode = { kind: 'ready' };
      this.#ready();
    } else {
      this.#mode = { kind: 'skipping' };
    }
  }

  #tellError(error: unknown): void {
    this.#output.error(error instanceof DbError ? error : this.#unknown(error));
  }

  #unknown(error: unknown): DbError {
    this.#host.broken(error);
    return new DbError(
      'XX000',
      `internal error: ${error instanceof Error ? error.message : String(error)}`,
    );
  }

  #fatal(error: DbError): void {
    this.#output.errorResponse('FATAL', error);
    this.#output.flush();
    this.#end();
  }

  #end(): void {
    if (this.#mode.kind === 'closed') return;
    if (this.#mode.kind === 'copyIn') this.#mode.copy.fail('the connection was closed');
    this.#mode = { kind: 'closed' };
    this.#session?.cancel();
    this.#session?.close();
    // Answers to what came in one packet with the client's last word.
    this.#output.flush();
    this.#socket.end();
    this.#socket.destroySoon();
    this.#wakeDrained();
    this.#host.closed();
  }

  #drained(): Promise<void> {
    if (this.#mode.kind === 'closed' || this.#socket.destroyed || !this.#socket.writableNeedDrain) {
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#drainWaiters.push(resolve));
  }

  #wakeDrained(): void {
    const waiters = this.#drainWaiters;
    if (waiters.length === 0) return;
    this.#drainWaiters = [];
    for (const wake of waiters) wake();
  }
}

const NO_FORMATS: readonly number[] = [];
