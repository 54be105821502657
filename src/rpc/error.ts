import { type ServiceError, status } from '@grpc/grpc-js';

export type StatusName = keyof typeof status;

/** What a call failed with, or what a handler wants it to fail with. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly status: StatusName;

  constructor(name: StatusName, message: string) {
    super(message);
    this.status = name;
  }
}

export function statusName(code: number): StatusName {
  return (status[code] ?? 'UNKNOWN') as StatusName;
}

export function toRpcError(error: ServiceError, where: string): RpcError {
  return new RpcError(statusName(error.code), `${where}: ${error.details}`);
}
