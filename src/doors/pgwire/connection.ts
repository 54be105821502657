// One client connection: PostgreSQL's protocol 3.0 as a state machine over framed messages. Messages are handled in
// order, each at once where it can be and with a promise where it must be; while one waits, input gathers up to a
// bound, then the socket is paused. A client that vanishes cancels its statement and rolls back.

import type { Socket } from 'node:net';
import { DbError, unsupported } from '../../base/errors.ts';
import { isPromise, type Maybe } from '../../base/maybe.ts';
import type { CopyIn, ExecuteOutcome, Session, SqlServer } from '../../sql/api.ts';
import { BodyReader, MessageFramer, ProtocolViolation } from './framing.ts';
import { WireOutput } from './output.ts';
import { OUTPUT_BYTES_MAX, SocketTarget } from './socket-target.ts';
import * as frontend from './message-types.ts';
import { readStartup } from './startup.ts';

/** Input that may wait while a statement runs, before the socket is paused. */
const INPUT_BYTES_MAX: number = 1024 * 1024;

const PROTOCOL_3 = 3;

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
  | { readonly kind: 'copyIn'; readonly copy: CopyIn }
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
  /** A Query is being answered, with the COPYs in its text: errors end it, and none waits for a Sync. */
  #inQuery = false;
  /** There is output that the client waits for. */
  #answered = false;
  /** What is waited for is the end of a batch. */
  #syncing = false;
  #drainWaiters: (() => void)[] = [];

  constructor(socket: Socket, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
    this.#output = new WireOutput(new SocketTarget(socket, () => this.#drained()));
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
      if (this.#isHeldUp()) {
        this.#busy = true;
        if (this.#answered) this.#flush();
        this.#output.drained().then(this.#onDone, this.#onFailed);
        return;
      }
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

  /** Short answers to a client that asks without reading add up, too: its next message waits until it has read. */
  #isHeldUp(): boolean {
    return this.#output.full || this.#socket.writableLength > OUTPUT_BYTES_MAX;
  }

  /** As PostgreSQL, output leaves when an answer is whole (ReadyForQuery), when the client asks (Flush), or when much
   * has gathered: a statement that waits costs no system call of its own. */
  #flush(): void {
    this.#answered = false;
    this.#output.flush();
  }

  #ready(): void {
    this.#inQuery = false;
    this.#output.readyForQuery((this.#session as Session).status);
    this.#answered = true;
  }

  readonly #onDone = (): void => {
    if (this.#syncing) this.#synced();
    this.#resume();
  };

  readonly #onFailed = (error: unknown): void => {
    if (this.#syncing) {
      this.#tellError(error);
      this.#synced();
    } else {
      this.#failed(error);
    }
    this.#resume();
  };

  #resume(): void {
    this.#busy = false;
    if (this.#mode.kind === 'closed') {
      this.#session?.close();
      return;
    }
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
        if (type === frontend.X_TERMINATE) return this.#end();
        if (type !== frontend.S_SYNC) return undefined;
        this.#mode = { kind: 'ready' };
        return this.#sync();
      case 'copyIn':
        return this.#copy(type, body, mode.copy);
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
      case frontend.B_BIND:
        return this.#bind(session, body);
      case frontend.E_EXECUTE: {
        const portal = body.name();
        const maxRows = body.i32();
        const shape = session.portalShape(portal);
        output.shape(shape.fields, shape.resultFormats);
        const outcome = session.execute(portal, maxRows < 0 ? 0 : maxRows, output);
        if (isPromise(outcome)) return outcome.then((done) => this.#executed(done));
        return this.#executed(outcome);
      }
      case frontend.S_SYNC:
        return this.#sync();
      case frontend.Q_QUERY: {
        this.#inQuery = true;
        const text = body.text();
        const outcome = session.simple(text, output);
        if (isPromise(outcome)) return outcome.then((done) => this.#simpleDone(done));
        return this.#simpleDone(outcome);
      }
      case frontend.P_PARSE: {
        const name = body.name();
        const text = body.text();
        const count = body.u16();
        const types: number[] = [];
        for (let i = 0; i < count; i++) types.push(body.i32() >>> 0);
        const parsed = session.parse(name, text, types);
        if (isPromise(parsed)) return parsed.then(() => output.parseComplete());
        return output.parseComplete();
      }
      case frontend.D_DESCRIBE:
        return this.#describe(session, body);
      case frontend.C_CLOSE: {
        const what = body.u8();
        const name = body.name();
        if (what === frontend.STATEMENT) session.closeStatement(name);
        else session.closePortal(name);
        return output.closeComplete();
      }
      case frontend.H_FLUSH:
        return this.#flush();
      case frontend.X_TERMINATE:
        return this.#end();
      case frontend.F_FUNCTION: {
        output.error(
          unsupported('the function call message', undefined, 'Use SELECT function(...).'),
        );
        return this.#ready();
      }
      case frontend.D_COPY_DATA:
      case frontend.C_COPY_DONE:
      case frontend.F_COPY_FAIL:
        // Left over from a COPY that failed while the client was still sending.
        return undefined;
      default:
        throw new ProtocolViolation(`invalid frontend message type ${type}`);
    }
  }

  #bind(session: Session, body: BodyReader): Maybe<void> {
    const portal = body.name();
    const statement = body.name();
    const parameterFormats = body.formats();
    const count = body.u16();
    const parameters = new Array<Uint8Array | undefined>(count);
    for (let i = 0; i < count; i++) {
      const length = body.i32();
      parameters[i] = length < 0 ? undefined : body.raw(length);
    }
    const resultFormats = body.formats();
    const bound = session.bind({ portal, statement, parameterFormats, parameters, resultFormats });
    if (isPromise(bound)) return bound.then(() => this.#output.bindComplete());
    return this.#output.bindComplete();
  }

  #describe(session: Session, body: BodyReader): void {
    const what = body.u8();
    const name = body.name();
    const output = this.#output;
    if (what === frontend.STATEMENT) {
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
    if (outcome.kind === 'copyIn') this.#startCopy(outcome.copy);
  }

  #simpleDone(outcome: ExecuteOutcome): void {
    if (outcome.kind === 'copyIn') this.#startCopy(outcome.copy);
    else this.#ready();
  }

  #startCopy(copy: CopyIn): void {
    if (this.#mode.kind === 'closed') {
      copy.fail(CLOSED);
      return;
    }
    this.#mode = { kind: 'copyIn', copy };
    this.#output.copyIn(copy.columnCount);
    this.#answered = true;
  }

  #copy(type: number, body: BodyReader, copy: CopyIn): Maybe<void> {
    switch (type) {
      case frontend.D_COPY_DATA:
        return copy.data(body.raw(body.end - body.at));
      case frontend.C_COPY_DONE:
        return copy.done().then((tag) => this.#copyOver(tag));
      case frontend.F_COPY_FAIL: {
        const reason = body.text();
        copy.fail(reason);
        throw new DbError('57014', `COPY from stdin failed: ${reason}`);
      }
      case frontend.H_FLUSH:
      case frontend.S_SYNC:
        return undefined;
      case frontend.X_TERMINATE:
        return this.#end();
      default:
        copy.fail('unexpected message');
        throw new DbError('08P01', `unexpected message type ${type} during COPY from stdin`);
    }
  }

  #copyOver(tag: string): Maybe<void> {
    // Nobody is there any more who wants the rest of the text carried out.
    if (this.#mode.kind === 'closed') return undefined;
    this.#mode = { kind: 'ready' };
    this.#output.complete(tag);
    if (!this.#inQuery) return undefined;
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
    // Waited for as it is: another promise on the path of every write would do nothing but this (bench: point, INSERT).
    this.#syncing = true;
    return synced;
  }

  #synced(): void {
    this.#syncing = false;
    this.#ready();
  }

  // Start-up

  #startup(body: BodyReader): void {
    const packet = readStartup(body);
    if (packet.kind === 'encryption') {
      this.#socket.write('N');
      return;
    }
    if (packet.kind === 'cancel') {
      this.#host.cancel(packet.processId, packet.secret);
      this.#end();
      return;
    }
    const { major, minor, parameters, unknown } = packet;
    if (major !== PROTOCOL_3) {
      this.#fatal(
        new DbError(
          '08P01',
          `unsupported frontend protocol ${major}.${minor}: the server speaks 3.0`,
        ),
      );
      return;
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
    this.#tellError(error);
    session.failed();
    if (this.#inQuery) {
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
    if (this.#mode.kind === 'copyIn') this.#mode.copy.fail(CLOSED);
    this.#mode = { kind: 'closed' };
    this.#session?.cancel();
    // A statement that goes on for a while must not find its transaction gone, and itself in one of its own.
    if (!this.#busy) this.#session?.close();
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
const CLOSED = 'the connection was closed';
