// The HTTP door: whether the node is well, and its figures in Prometheus' text format. Later the console.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Health {
  readonly serving: boolean;
  /** Why not, or 'ok'. */
  readonly status: string;
  readonly fields: Readonly<Record<string, string | number>>;
}

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly value: number;
}

export interface HttpOptions {
  readonly host: string;
  readonly port: number;
  health(): Health;
  metrics(): Promise<readonly Metric[]>;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  const server = createServer((request, response) => {
    respond(options, request, response).catch((error: unknown) => {
      send(
        response,
        500,
        'text/plain; charset=utf-8',
        `${error instanceof Error ? error.message : String(error)}\n`,
      );
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    host: options.host,
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function respond(
  options: HttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').split('?')[0];
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    send(response, 405, 'text/plain; charset=utf-8', 'only GET and HEAD are answered here\n');
    return;
  }
  switch (path) {
    case '/health': {
      const health = options.health();
      const body = JSON.stringify({ status: health.status, ...health.fields });
      send(response, health.serving ? 200 : 503, 'application/json', `${body}\n`);
      return;
    }
    case '/metrics':
      send(
        response,
        200,
        'text/plain; version=0.0.4; charset=utf-8',
        formatMetrics([...(await options.metrics()), ...processMetrics()]),
      );
      return;
    case '/':
      send(response, 200, 'text/plain; charset=utf-8', 'Meridian. See /health and /metrics.\n');
      return;
    default:
      send(response, 404, 'text/plain; charset=utf-8', 'there are /health and /metrics here\n');
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

function processMetrics(): readonly Metric[] {
  const { rss, heapUsed, external } = process.memoryUsage();
  const gauge = (name: string, help: string, value: number): Metric => ({
    name,
    help,
    type: 'gauge',
    value,
  });
  return [
    gauge('resident_bytes', 'Resident memory of the process.', rss),
    gauge('heap_used_bytes', "Memory in use on JavaScript's heap.", heapUsed),
    gauge('external_bytes', 'Memory of buffers outside of it.', external),
    {
      name: 'cpu_seconds_total',
      help: 'Processor time used.',
      type: 'counter',
      value: cpuSeconds(),
    },
  ];
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export function formatMetrics(metrics: readonly Metric[]): string {
  let out = '';
  for (const { name, help, type, value } of metrics) {
    out += `# HELP meridian_${name} ${help}\n# TYPE meridian_${name} ${type}\nmeridian_${name} ${value}\n`;
  }
  return out;
}
