// Carries reports to all other nodes: a stream to each, a chunk a second. A node that takes nothing is told nothing more
// until it does; a stream that breaks is opened again with the next report.

import type { ByteStream, Network, NodeId, Time } from '../../runtime/runtime.ts';
import type { Streams } from '../streams.ts';
import { decodeReport, encodeReport, type NodeReport } from './node-report.ts';

const PURPOSE = 'node-report';
/** After a stream could not be opened: an address that answers nobody is not dialled every second. */
const REST_MICROS = 3_000_000;

interface Line {
  stream: ByteStream | undefined;
  isBusy: boolean;
  restsUntilMicros: number;
}

export interface NodeGossipParts {
  readonly self: NodeId;
  readonly network: Network;
  readonly streams: Streams;
  readonly time: Pick<Time, 'monotonicMicros'>;
  take(report: NodeReport): void;
}

export class NodeGossip {
  private readonly parts: NodeGossipParts;
  private readonly lines = new Map<NodeId, Line>();
  private isStopped = false;

  constructor(parts: NodeGossipParts) {
    this.parts = parts;
    // A stream that breaks says nothing that silence does not say.
    parts.streams.register(PURPOSE, (from, stream) => this.listen(from, stream).catch(() => {}));
  }

  private async listen(from: NodeId, stream: ByteStream): Promise<void> {
    for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
      const report = decodeReport(chunk);
      // Each speaks for itself.
      if (report?.node === from && !this.isStopped) this.parts.take(report);
    }
    stream.end();
  }

  send(report: NodeReport, to: readonly NodeId[]): void {
    if (this.isStopped) return;
    const chunk = encodeReport(report);
    for (const node of to) if (node !== this.parts.self) this.sendTo(node, chunk);
    for (const [node, { stream }] of this.lines) {
      if (to.includes(node)) continue;
      stream?.abort();
      this.lines.delete(node);
    }
  }

  stop(): void {
    this.isStopped = true;
    for (const { stream } of this.lines.values()) stream?.abort();
    this.lines.clear();
  }

  private sendTo(node: NodeId, chunk: Uint8Array): void {
    let line = this.lines.get(node);
    if (line === undefined) {
      line = { stream: undefined, isBusy: false, restsUntilMicros: 0 };
      this.lines.set(node, line);
    }
    const { time } = this.parts;
    if (line.isBusy || line.restsUntilMicros > time.monotonicMicros()) return;
    line.isBusy = true;
    void this.write(node, line, chunk);
  }

  private async write(node: NodeId, line: Line, chunk: Uint8Array): Promise<void> {
    const { network, time } = this.parts;
    try {
      line.stream ??= await network.openStream(node, PURPOSE);
      if (this.lines.get(node) !== line) {
        line.stream.abort();
        return;
      }
      await line.stream.write(chunk);
    } catch {
      line.stream?.abort();
      line.stream = undefined;
      line.restsUntilMicros = time.monotonicMicros() + REST_MICROS;
    } finally {
      line.isBusy = false;
    }
  }
}
