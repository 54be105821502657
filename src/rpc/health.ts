// gRPC's standard health service: Check answers once, Watch tells every change.

import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
  type HealthDefinition,
} from './generated/health.ts';
import type { Handlers } from './service.ts';
import type { TypedStream } from './typed-stream.ts';

type Watcher = TypedStream<HealthCheckRequest, HealthCheckResponse>;

/** The whole server, as clients that name no service ask for it. */
export const WHOLE_SERVER = '';

export class Health {
  readonly #serving = new Map<string, boolean>([[WHOLE_SERVER, true]]);
  readonly #watchers = new Map<Watcher, string>();

  readonly handlers: Handlers<HealthDefinition> = {
    check: (call, callback) => {
      const { service } = call.request;
      const state = this.#stateOf(service);
      if (state === ServingStatus.SERVICE_UNKNOWN) {
        callback({ status: 'NOT_FOUND', reason: `there is no service '${service}'` });
      } else {
        callback(null, { status: state });
      }
    },
    watch: ({ service }, call) => {
      this.#watchers.set(call, service);
      call.onOver(() => this.#watchers.delete(call));
      call.write({ status: this.#stateOf(service) });
    },
  };

  set(service: string, isServing: boolean): void {
    if (this.#serving.get(service) === isServing) return;
    this.#serving.set(service, isServing);
    for (const [watcher, watched] of this.#watchers) {
      if (watched === service) watcher.write({ status: this.#stateOf(service) });
    }
  }

  /** Nothing serves any more; watchers are told, and let go. */
  close(): void {
    for (const service of this.#serving.keys()) this.set(service, false);
    for (const watcher of this.#watchers.keys()) watcher.end();
    this.#watchers.clear();
  }

  #stateOf(service: string): ServingStatus {
    const isServing = this.#serving.get(service);
    if (isServing === undefined) return ServingStatus.SERVICE_UNKNOWN;
    return isServing ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }
}
