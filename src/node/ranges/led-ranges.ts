// The ranges that this node leads, as the split queue and the desk handle them.

import { DbError } from '../../base/errors.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import { intersection, type RangeDescriptor } from '../../ranges/descriptor.ts';
import { findMiddleKey } from '../../ranges/load/middle-key.ts';
import type { RangeLoad } from '../../ranges/load/range-load.ts';
import { pause } from '../../ranges/within.ts';
import type { NodeId, Timers } from '../../runtime/runtime.ts';
import type { Span } from '../../storage/engine.ts';
import type { RangeId } from '../../storage/shard.ts';
import type { DeskRange } from './range-desk.ts';
import type { RangeHost } from './range-host.ts';
import type { RangeStore } from './range-store.ts';

/** Who leads the parent leads what is split off, as soon as an entry of its own has committed there. */
const BORN_MICROS = 2_000_000;
const LOOK_MICROS = 5_000;

class LedHost implements DeskRange {
  private readonly host: RangeHost;
  private readonly ranges: LedRanges;

  constructor(host: RangeHost, ranges: LedRanges) {
    this.host = host;
    this.ranges = ranges;
  }

  get descriptor(): RangeDescriptor {
    return this.host.descriptor;
  }

  get load(): RangeLoad {
    return this.host.load;
  }

  approximateBytes(): Promise<number> {
    return this.host.shard.approximateBytes(this.descriptor.span);
  }

  async middleKey(within: Span): Promise<Uint8Array | undefined> {
    const part = intersection(this.descriptor.span, within);
    return part === undefined ? undefined : findMiddleKey(this.host.shard, part);
  }

  async split(request: {
    readonly at: Uint8Array;
    readonly stickyUntil: Timestamp;
  }): Promise<DeskRange> {
    const right = await this.host.split(request);
    const born = await this.ranges.onceServing(right);
    if (born !== undefined) return born;
    throw new DbError('57P03', `range ${right} was split off, and is led by another node`);
  }

  merge(): Promise<void> {
    return this.host.merge();
  }

  stick(until: Timestamp): Promise<void> {
    return this.host.stick(until);
  }

  transferTo(node: NodeId): Promise<void> {
    return this.host.transferTo(node);
  }
}

export class LedRanges {
  private readonly store: RangeStore;
  private readonly timers: Timers;
  private readonly led = new WeakMap<RangeHost, LedHost>();

  constructor(store: RangeStore, timers: Timers) {
    this.store = store;
    this.timers = timers;
  }

  *all(): Generator<DeskRange> {
    for (const host of this.store.all()) if (host.isServing) yield this.of(host);
  }

  /** Undefined: it is not led here after a while. */
  async onceServing(range: RangeId): Promise<DeskRange | undefined> {
    for (let waited = 0; waited <= BORN_MICROS; waited += LOOK_MICROS) {
      const host = this.store.get(range);
      if (host?.isServing === true) return this.of(host);
      await pause(this.timers, LOOK_MICROS);
    }
    return undefined;
  }

  private of(host: RangeHost): LedHost {
    let led = this.led.get(host);
    if (led === undefined) {
      led = new LedHost(host, this);
      this.led.set(host, led);
    }
    return led;
  }
}
