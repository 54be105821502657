import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { type Client, status } from '@grpc/grpc-js';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatAddress } from '../../src/base/address.ts';
import { protoFiles as kvFiles } from '../../src/doors/kv/generated/descriptors.ts';
import { KvDefinition } from '../../src/doors/kv/generated/kv.ts';
import { openChannel } from '../../src/rpc/channel.ts';
import { clusterClient } from '../../src/rpc/client.ts';
import { RpcError } from '../../src/rpc/error.ts';
import { ClusterDefinition } from '../../src/rpc/generated/cluster.ts';
import { protoFiles } from '../../src/rpc/generated/descriptors.ts';
import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../src/rpc/generated/health.ts';
import {
  ServerReflectionRequest,
  ServerReflectionResponse,
} from '../../src/rpc/generated/reflection.ts';
import { RpcServer } from '../../src/rpc/server.ts';
import { unary } from '../../src/rpc/service.ts';
import { createNodeRuntime } from '../../src/runtime/node/node-runtime.ts';

const { timers } = createNodeRuntime();
let server: RpcServer;
let address: string;
let channel: Client;

beforeEach(async () => {
  server = new RpcServer({ address: { host: '127.0.0.1', port: 0 }, timers });
  address = formatAddress(await server.listen());
  channel = openChannel(address, undefined);
});

afterEach(async () => {
  channel.close();
  await server.close();
});

function checkHealth(service: string): Promise<string> {
  return new Promise((resolve) => {
    channel.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      (request: HealthCheckRequest) => Buffer.from(HealthCheckRequest.encode(request).finish()),
      (bytes) => HealthCheckResponse.decode(bytes),
      { service },
      (error, response) => resolve(error === null ? nameOf(response?.status) : status[error.code]),
    );
  });
}

function nameOf(state: ServingStatus | undefined): string {
  return Object.entries(ServingStatus).find(([, value]) => value === state)?.[0] ?? 'none';
}

describe('health', () => {
  it('is told of the server and of each service', async () => {
    expect(await checkHealth('')).toBe('SERVING');
    expect(await checkHealth('meridian.kv.v1.Kv')).toBe('NOT_FOUND');
    server.health.set('meridian.kv.v1.Kv', false);
    expect(await checkHealth('meridian.kv.v1.Kv')).toBe('NOT_SERVING');
  });

  it('is watched until the server closes', async () => {
    const call = channel.makeServerStreamRequest(
      '/grpc.health.v1.Health/Watch',
      (request: HealthCheckRequest) => Buffer.from(HealthCheckRequest.encode(request).finish()),
      (bytes) => HealthCheckResponse.decode(bytes),
      { service: 'later' },
    );
    const seen: string[] = [];
    const changes: (() => void)[] = [
      () => server.health.set('later', true),
      () => server.health.set('other', true),
      () => void server.close(),
    ];
    call.on('data', ({ status: state }: HealthCheckResponse) => {
      seen.push(nameOf(state));
      changes.shift()?.();
      if (changes.length === 2) changes.shift()?.();
    });
    await new Promise((resolve) => call.on('end', resolve));
    expect(seen).toEqual(['SERVICE_UNKNOWN', 'SERVING', 'NOT_SERVING']);
  });
});

async function reflect(
  version: string,
  ...requests: readonly ServerReflectionRequest['messageRequest'][]
): Promise<ServerReflectionResponse['messageResponse'][]> {
  const call = channel.makeBidiStreamRequest(
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    (request: ServerReflectionRequest) =>
      Buffer.from(ServerReflectionRequest.encode(request).finish()),
    (bytes) => ServerReflectionResponse.decode(bytes),
  );
  const answers: ServerReflectionResponse['messageResponse'][] = [];
  call.on('data', (response: ServerReflectionResponse) => answers.push(response.messageResponse));
  for (const messageRequest of requests) call.write({ host: '', messageRequest });
  call.end();
  await new Promise((resolve, reject) => call.on('end', resolve).on('error', reject));
  return answers;
}

function fileOf(answer: ServerReflectionResponse['messageResponse']): string {
  if (answer?.$case !== 'fileDescriptorResponse') return `${answer?.$case}`;
  const [bytes] = answer.fileDescriptorResponse.fileDescriptorProto;
  const file = fromBinary(FileDescriptorProtoSchema, bytes ?? new Uint8Array());
  return `${file.package}: ${file.service.map(({ name }) => name).join(' ')}`;
}

describe('reflection', () => {
  for (const version of ['v1', 'v1alpha']) {
    it(`lists services and describes them (${version})`, async () => {
      server.addService(KvDefinition, {} as never, kvFiles);
      const [list, ...files] = await reflect(
        version,
        { $case: 'listServices', listServices: '' },
        { $case: 'fileContainingSymbol', fileContainingSymbol: 'meridian.kv.v1.Kv' },
        { $case: 'fileContainingSymbol', fileContainingSymbol: 'meridian.kv.v1.PutRequest' },
        { $case: 'fileContainingSymbol', fileContainingSymbol: 'meridian.kv.v1.Kv.Put' },
        { $case: 'fileByFilename', fileByFilename: 'health.proto' },
        {
          $case: 'fileContainingSymbol',
          fileContainingSymbol: 'grpc.health.v1.HealthCheckResponse.ServingStatus',
        },
        {
          $case: 'fileContainingSymbol',
          fileContainingSymbol: 'grpc.reflection.v1alpha.ServerReflection',
        },
        { $case: 'fileByFilename', fileByFilename: 'nothing.proto' },
        { $case: 'allExtensionNumbersOfType', allExtensionNumbersOfType: 'x' },
      );
      expect(list).toMatchObject({
        listServicesResponse: {
          service: [
            { name: 'grpc.health.v1.Health' },
            { name: 'grpc.reflection.v1.ServerReflection' },
            { name: 'grpc.reflection.v1alpha.ServerReflection' },
            { name: 'meridian.kv.v1.Kv' },
          ],
        },
      });
      expect(files.map(fileOf)).toEqual([
        'meridian.kv.v1: Kv',
        'meridian.kv.v1: Kv',
        'meridian.kv.v1: Kv',
        'grpc.health.v1: Health',
        'grpc.health.v1: Health',
        'grpc.reflection.v1alpha: ServerReflection',
        'errorResponse',
        'errorResponse',
      ]);
    });
  }
});

describe('a service', () => {
  it('is called through its client, with answers, refusals and deadlines', async () => {
    const member = { nodeId: 1, rpcAddress: address, sqlAddress: '', httpAddress: '' };
    server.addService(
      ClusterDefinition,
      {
        describe: unary(() => new Promise(() => {})),
        adopt: unary(({ nodeId }) => {
          throw new RpcError('FAILED_PRECONDITION', `it is node 9, not node ${nodeId}`);
        }),
        init: unary(() => ({ clusterId: 'new', members: [member] })),
        status: unary(() => {
          throw new Error('out of luck');
        }),
        transfer: unary(() => ({})),
        check: unary(() => ({ json: '{}' })),
        join: unary(() => ({ clusterId: 'new', nodeId: 2, members: [], founders: [] })),
        nodes: unary(() => ({ json: '[]' })),
        drain: unary(() => ({})),
        decommission: unary(() => ({})),
      },
      protoFiles,
    );
    const client = clusterClient(address, { timers });
    expect(await client.init({ nodes: 1 })).toEqual({ clusterId: 'new', members: [member] });
    const adopt = { clusterId: 'new', nodeId: 2, members: [], instanceId: '' };
    await expect(client.adopt(adopt)).rejects.toMatchObject({
      status: 'FAILED_PRECONDITION',
      message: `${address}: it is node 9, not node 2`,
    });
    await expect(client.status()).rejects.toMatchObject({ status: 'INTERNAL' });
    client.close();

    const hasty = clusterClient(address, { timers, timeoutMicros: 1000 });
    await expect(hasty.describe()).rejects.toMatchObject({ status: 'DEADLINE_EXCEEDED' });
    hasty.close();
  });

  it('is to be tried again while it is expected', async () => {
    server.expectService(ClusterDefinition);
    const client = clusterClient(address, { timers });
    await expect(client.status()).rejects.toMatchObject({ status: 'UNAVAILABLE' });
    client.close();
  });

  it('is closed also to those who no longer listen', async () => {
    const [host, port] = address.split(':');
    const socket = connect({ host: host as string, port: Number(port), allowHalfOpen: true });
    socket.on('error', () => {});
    const greeted = new Promise((resolve) => socket.once('data', resolve));
    // The preface of HTTP/2 and empty settings; then nothing, not even the connection's end.
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    await greeted;
    socket.pause();
    await server.close();
    socket.destroy();
  });

  it('is not there when the server has closed, and calls that hang do not keep it', async () => {
    server.addService(
      ClusterDefinition,
      {
        describe: () => {},
        adopt: () => {},
        init: () => {},
        status: () => {},
        transfer: () => {},
        check: () => {},
        join: () => {},
        nodes: () => {},
        drain: () => {},
        decommission: () => {},
      },
      protoFiles,
    );
    const client = clusterClient(address, { timers });
    const hanging = expect(client.describe()).rejects.toBeInstanceOf(RpcError);
    await checkHealth('');
    await server.close();
    await hanging;
    await expect(client.status()).rejects.toMatchObject({ status: 'UNAVAILABLE' });
    client.close();
  });

  it('says so when its port is taken', async () => {
    const port = Number(address.split(':').at(-1));
    const second = new RpcServer({ address: { host: '127.0.0.1', port }, timers });
    await expect(second.listen()).rejects.toThrow(
      `the RPC address ${address} is in use by another program`,
    );
  });
});
