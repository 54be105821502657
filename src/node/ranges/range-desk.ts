// Where a node is asked about the ranges that it leads, and told what to do with them, by itself and by others: a stream
// for each question, whose answers come in chunks of bounded size. Only the leader of a range answers for it; who asks
// elsewhere is told so (57P03) and asks again.

import { compareBytes, fromHex, fromUtf8, toHex, utf8 } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import { holdsKey, overlaps } from '../../ranges/descriptor.ts';
import { within } from '../../ranges/within.ts';
import type { NodeId, Runtime } from '../../runtime/runtime.ts';
import type { Span } from '../../storage/engine.ts';
import type { RangeId } from '../../storage/shard.ts';
import type { SplitQueue } from '../load/split-queue.ts';
import type { LedRange } from '../load/split-queue-range.ts';
import type { Streams } from '../streams.ts';
import { type PackedReport, packReport, type RangeReport, unpackReport } from './range-report.ts';

const PURPOSE = 'range-desk';
const REPORTS_PER_CHUNK = 500;
/** For what may have to wait for a change of the range that is under way. */
const ANSWER_MICROS = 10_000_000;

export interface DeskRange extends LedRange {
  /** No merge takes its start away before then; 0: it may go. */
  stick(until: Timestamp): Promise<void>;
}

export interface DeskParts {
  readonly self: NodeId;
  readonly runtime: Pick<Runtime, 'network' | 'timers'>;
  readonly streams: Streams;
  readonly queue: SplitQueue;
  /** Those that this node leads and serves. */
  led(): Iterable<DeskRange>;
}

/** Keys in hex. */
export type Question =
  /** All, or of these keys, or the busiest. */
  | { readonly kind: 'list'; readonly start: string; readonly end: string | undefined }
  | { readonly kind: 'hottest'; readonly most: number }
  | { readonly kind: 'startingAt'; readonly start: string }
  | { readonly kind: 'split'; readonly at: string; readonly stickyUntil: number }
  | { readonly kind: 'stick'; readonly start: string; readonly until: number }
  | { readonly kind: 'transfer'; readonly range: RangeId; readonly to: NodeId };

interface Answer {
  readonly reports?: readonly PackedReport[];
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
}

export class RangeDesk {
  readonly #parts: DeskParts;

  constructor(parts: DeskParts) {
    this.#parts = parts;
    parts.streams.register(PURPOSE, async (_from, stream) => {
      const chunk = await stream.read();
      if (chunk !== undefined) {
        const question = JSON.parse(fromUtf8(chunk)) as Question;
        for (const answer of await this.#answers(question)) {
          await stream.write(utf8(JSON.stringify(answer)));
        }
      }
      stream.end();
    });
  }

  /** Of any node, this one included. Throws DbError. */
  async ask(node: NodeId, question: Question): Promise<readonly RangeReport[]> {
    const { self, runtime } = this.#parts;
    if (node === self) return this.#carryOut(question);
    const asked = this.#askOver(node, question);
    try {
      return await within(runtime.timers, ANSWER_MICROS, `asking node ${node}`, asked);
    } catch (error) {
      if (error instanceof DbError) throw error;
      throw new DbError('57P03', `node ${node} does not answer: ${String(error)}`);
    }
  }

  async #askOver(node: NodeId, question: Question): Promise<readonly RangeReport[]> {
    const stream = await this.#parts.runtime.network.openStream(node, PURPOSE);
    try {
      await stream.write(utf8(JSON.stringify(question)));
      stream.end();
      const reports: RangeReport[] = [];
      for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
        const { error, reports: some } = JSON.parse(fromUtf8(chunk)) as Answer;
        if (error !== undefined) {
          const { code, message, hint } = error;
          throw new DbError(code, message, hint === undefined ? {} : { hint });
        }
        for (const packed of some ?? []) reports.push(unpackReport(packed));
      }
      return reports;
    } catch (error) {
      stream.abort();
      throw error;
    }
  }

  /** At least one, so that silence is no answer. */
  async #answers(question: Question): Promise<readonly Answer[]> {
    try {
      const reports = await this.#carryOut(question);
      const answers: Answer[] = [];
      for (let from = 0; from === 0 || from < reports.length; from += REPORTS_PER_CHUNK) {
        answers.push({ reports: reports.slice(from, from + REPORTS_PER_CHUNK).map(packReport) });
      }
      return answers;
    } catch (error) {
      if (!(error instanceof DbError)) throw error;
      const { code, message, fields } = error;
      const hint = fields.hint === undefined ? {} : { hint: fields.hint };
      return [{ error: { code, message, ...hint } }];
    }
  }

  async #carryOut(question: Question): Promise<readonly RangeReport[]> {
    const { queue } = this.#parts;
    const led = [...this.#parts.led()];
    switch (question.kind) {
      case 'list': {
        const end = question.end === undefined ? undefined : fromHex(question.end);
        const span: Span = { start: fromHex(question.start), end };
        return led
          .filter(({ descriptor }) => overlaps(descriptor.span, span))
          .map((range) => this.#report(range));
      }
      case 'hottest':
        return led
          .map((range) => this.#report(range))
          .sort((a, b) => b.currentWork - a.currentWork)
          .slice(0, question.most);
      case 'startingAt': {
        const range = led.find(startsAt(fromHex(question.start)));
        if (range === undefined) return [];
        await queue.measure(range);
        return [this.#report(range)];
      }
      case 'split': {
        const at = fromHex(question.at);
        const range = led.find(({ descriptor }) => holdsKey(descriptor, at));
        if (range === undefined) throw this.#notHere(at);
        const stickyUntil = question.stickyUntil as Timestamp;
        if (compareBytes(range.descriptor.span.start, at) === 0) {
          if (range.descriptor.stickyUntil < stickyUntil) await range.stick(stickyUntil);
          return [this.#report(range)];
        }
        const right = await range.split({ at, stickyUntil });
        queue.wasSplit(range, right);
        return [this.#report(right as DeskRange)];
      }
      case 'stick': {
        const start = fromHex(question.start);
        const range = led.find(startsAt(start));
        if (range === undefined) throw this.#notHere(start);
        await range.stick(question.until as Timestamp);
        return [this.#report(range)];
      }
      case 'transfer': {
        const range = led.find(({ descriptor }) => descriptor.range === question.range);
        if (range === undefined) {
          throw new DbError('57P03', `this node does not lead range ${question.range}`);
        }
        if (question.to !== this.#parts.self) await range.transferTo(question.to);
        return [{ ...this.#report(range), leader: question.to }];
      }
    }
  }

  #report(range: LedRange): RangeReport {
    const { queue, self } = this.#parts;
    const { reads, writes, readBytes, writtenBytes, work } = range.load.rates();
    return {
      ...queue.tell(range),
      leader: self,
      readsPerSecond: reads,
      writesPerSecond: writes,
      bytesPerSecond: readBytes + writtenBytes,
      currentWork: work,
      hotRow: queue.hotRow(range.descriptor.range),
    };
  }

  #notHere(key: Uint8Array): DbError {
    const { self } = this.#parts;
    return new DbError('57P03', `node ${self} does not lead the range of key ${toHex(key)}`);
  }
}

function startsAt(start: Uint8Array): (range: LedRange) => boolean {
  return ({ descriptor }) => compareBytes(descriptor.span.start, start) === 0;
}
