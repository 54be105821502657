// The port at which a node is spoken to over gRPC, by its peers and by clients. Services are added by whoever has them;
// health and reflection are always there.

import {
  Server,
  type ServiceDefinition,
  type UntypedServiceImplementation,
  logVerbosity,
  setLogVerbosity,
} from '@grpc/grpc-js';
import { type Address, formatAddress } from '../base/address.ts';
import { DbError } from '../base/errors.ts';
import type { Timers } from '../runtime/runtime.ts';
import { KEEPALIVE, MESSAGE_BYTES_MAX } from './channel.ts';
import { protoFiles } from './generated/descriptors.ts';
import { HealthDefinition } from './generated/health.ts';
import { ServerReflectionDefinition } from './generated/reflection.ts';
import { Health } from './health.ts';
import { Reflection } from './reflection.ts';
import { type Handlers, type ProtoFile, serviceDefinition, type ServiceShape } from './service.ts';
import { requireReachable, serverCredentials, type TlsMaterial } from './tls.ts';

// What goes wrong is told to whoever asked for it; grpc-js would print it as well.
setLogVerbosity(logVerbosity.NONE);

/** How long calls may take to end when the server closes. */
const GRACE_MICROS = 500_000;

export interface RpcServerOptions {
  /** Port 0: any that is free. */
  readonly address: Address;
  readonly tls?: TlsMaterial | undefined;
  readonly timers: Timers;
}

export class RpcServer {
  readonly health: Health = new Health();
  readonly #reflection = new Reflection();
  readonly #options: RpcServerOptions;
  readonly #server = new Server({
    ...KEEPALIVE,
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  });
  #closed: Promise<void> | undefined;

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.addService(HealthDefinition, this.health.handlers, protoFiles);
    this.addService(ServerReflectionDefinition, this.#reflection.handlers, protoFiles);
    const older = {
      ...ServerReflectionDefinition,
      fullName: ServerReflectionDefinition.fullName.replace('.v1.', '.v1alpha.'),
    };
    this.addService(older, this.#reflection.handlers, protoFiles);
  }

  /** Also while the server runs. The service is healthy until `health` is told otherwise. */
  addService<S extends ServiceShape>(
    service: S,
    handlers: Handlers<S>,
    files: readonly ProtoFile[],
  ): void {
    this.addMethods(service, serviceDefinition(service), files, handlers);
  }

  /** A service whose messages are not those of its .proto file. */
  addMethods(
    service: ServiceShape,
    methods: ServiceDefinition,
    files: readonly ProtoFile[],
    handlers: object,
  ): void {
    this.#server.addService(methods, handlers as UntypedServiceImplementation);
    this.#reflection.add(service.fullName, files);
    this.health.set(service.fullName, true);
  }

  /** Where it is reached: with the port that it got. */
  async listen(): Promise<Address> {
    const { address, tls } = this.#options;
    requireReachable(formatAddress(address), tls);
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(formatAddress(address), serverCredentials(tls), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(cannotListen(address, error));
      });
    });
    return { host: address.host, port };
  }

  /** Calls may end for a moment, then they are broken. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.health.close();
      const timer = this.#options.timers.after(GRACE_MICROS, () => {
        this.#server.forceShutdown();
        resolve();
      });
      this.#server.tryShutdown(() => {
        timer[Symbol.dispose]();
        resolve();
      });
    });
    return this.#closed;
  }
}

function cannotListen(address: Address, error: Error): DbError {
  const where = `the RPC address ${formatAddress(address)}`;
  return error.message.includes('EADDRINUSE')
    ? new DbError('58000', `${where} is in use by another program`, {
        hint: 'Choose another one with --rpc HOST:PORT.',
      })
    : new DbError('58000', `${where} can't be listened at: ${error.message}`);
}
