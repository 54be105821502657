// gRPC's standard reflection service, so that clients such as grpcurl can list and describe what a server offers.

import { status } from '@grpc/grpc-js';
import {
  type ServerReflectionDefinition,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from './generated/reflection.ts';
import type { Handlers, ProtoFile } from './service.ts';

type Answer = NonNullable<ServerReflectionResponse['messageResponse']>;

export class Reflection {
  readonly #services: string[] = [];
  readonly #files = new Map<string, ProtoFile>();

  readonly handlers: Handlers<ServerReflectionDefinition> = {
    serverReflectionInfo: (call) => {
      call.onMessage((request) => {
        call.write({
          validHost: request.host,
          originalRequest: request,
          messageResponse: this.#answer(request),
        });
      });
      call.onEnd(() => call.end());
    },
  };

  add(service: string, files: readonly ProtoFile[]): void {
    this.#services.push(service);
    for (const file of files) this.#files.set(file.name, file);
  }

  #answer({ messageRequest: request }: ServerReflectionRequest): Answer {
    switch (request?.$case) {
      case 'listServices': {
        const service = this.#services.map((name) => ({ name }));
        return { $case: 'listServicesResponse', listServicesResponse: { service } };
      }
      case 'fileByFilename':
        return this.#file(request.fileByFilename, (file) => file.name === request.fileByFilename);
      case 'fileContainingSymbol': {
        const symbol = request.fileContainingSymbol;
        return this.#file(symbol, (file) => file.symbols.includes(symbol));
      }
      case 'fileContainingExtension':
      case 'allExtensionNumbersOfType':
        return failure(status.NOT_FOUND, 'there are no extensions');
      case undefined:
        return failure(status.INVALID_ARGUMENT, 'nothing is asked for');
    }
  }

  #file(what: string, isIt: (file: ProtoFile) => boolean): Answer {
    for (const file of this.#files.values()) {
      if (!isIt(file)) continue;
      const fileDescriptorProto = [Buffer.from(file.base64, 'base64')];
      return { $case: 'fileDescriptorResponse', fileDescriptorResponse: { fileDescriptorProto } };
    }
    return failure(status.NOT_FOUND, `there is no ${what}`);
  }
}

function failure(errorCode: number, errorMessage: string): Answer {
  return { $case: 'errorResponse', errorResponse: { errorCode, errorMessage } };
}
