// Commits: of all that a transaction has to do with one range, in one request; of more, as a plan that two-phase commit
// carries out (txn/two-phase.ts).

import { compareBytes } from '../../base/bytes.ts';
import type { Maybe } from '../../base/maybe.ts';
import type { CommitPart, CommitPlan, CommitRequest, Divided, RangeAddress } from '../api.ts';
import type { Elsewhere, RangeCommit, RangeEndpoint, RangeHead } from '../endpoint.ts';
import { Asking, LOST, sessionIn } from '../locks/standings.ts';
import { serializationFailure } from '../refusals.ts';
import type { CommitAnswer, LockSession, Span, Write } from '../requests.ts';
import type { Standing } from '../standing.ts';
import type { Route } from './route.ts';
import type { RouteTable } from './route-table.ts';
import { givenUp, isElsewhere, type Routing } from './routing.ts';
import type { Patience } from './routing-patience.ts';

const DIVIDED: Divided = { kind: 'divided' };

export class RoutedCommits {
  private readonly routing: Routing;
  private readonly asking = new Asking();

  constructor(routing: Routing) {
    this.routing = routing;
  }

  commit(request: CommitRequest): Promise<CommitAnswer | Divided> {
    const { table } = this.routing;
    const { txn, standing, writes, deadline } = request;
    const route = table.find(keyOf(request));
    if (route === undefined || standing?.lost !== undefined) {
      return this.commitLater(request, undefined, undefined);
    }
    if (!isWithin(route, standing, writes)) return Promise.resolve(DIVIDED);
    const session = standing === undefined ? undefined : sessionIn(standing, route);
    const endpoint = route.endpoint as RangeEndpoint;
    const asked = endpoint.commit(route, this.asking.by(txn, session), writes, deadline);
    return asked.then((answer) =>
      isElsewhere(answer) || answer.kind === 'ambiguous'
        ? this.commitLater(request, route, answer)
        : answer,
    );
  }

  /** `answer`: of `route`, which was asked once. P20: what was perhaps carried out is asked again as it was, and never in
   * another shape. Ranges remember who has committed, and a session that is gone now can commit nothing later, so that
   * both say for sure what became of it; any other refusal may have been overtaken. */
  private async commitLater(
    request: CommitRequest,
    route: Route | undefined,
    answer: RangeCommit | undefined,
  ): Promise<CommitAnswer | Divided> {
    const { routing } = this;
    const { txn, standing, writes, deadline } = request;
    const patience = routing.patience();
    let at = route;
    let last = answer;
    let perhaps: Extract<CommitAnswer, { kind: 'ambiguous' }> | undefined;
    for (;;) {
      if (last !== undefined && at !== undefined) {
        // What it had locked to commit there stays when its keys are elsewhere by now.
        standing?.visit({ head: headOf(at), endpoint: at.endpoint as RangeEndpoint });
        if (last.kind === 'ambiguous') perhaps ??= last;
        else if (!isElsewhere(last)) {
          if (perhaps !== undefined && last.kind === 'committed') routing.foundAmbiguous();
          return sure(perhaps, standing, last);
        }
        const isPatient = isElsewhere(last)
          ? await routing.mend({ route: at, answer: last }, patience)
          : await patience.again(false);
        if (!isPatient) return perhaps ?? (isElsewhere(last) ? givenUp(last) : last);
      }
      if (standing?.lost !== undefined) return perhaps ?? LOST;
      at = await this.findSure(keyOf(request), patience, perhaps !== undefined);
      if (at === undefined) return perhaps as CommitAnswer;
      if (!isWithin(at, standing, writes)) return perhaps ?? DIVIDED;
      const session = standing === undefined ? undefined : sessionIn(standing, at);
      const endpoint = at.endpoint as RangeEndpoint;
      last = await endpoint.commit(at, this.asking.by(txn, session), writes, deadline);
    }
  }

  /** Undefined: it can't be found, and that must not pass for the outcome. */
  private async findSure(
    key: Uint8Array,
    patience: Patience,
    isPerhaps: boolean,
  ): Promise<Route | undefined> {
    if (!isPerhaps) return this.routing.find(key, patience);
    return this.routing.find(key, patience).catch(() => undefined);
  }

  plan(standing: Standing, writes: readonly Write[]): Maybe<CommitPlan> {
    return planOf(this.routing.table, standing, writes) ?? this.planLater(standing, writes);
  }

  locate(span: Span): Maybe<readonly RangeAddress[]> {
    const routes = this.routing.table.findAll(span);
    if (routes !== undefined) return routes.map(addressOf);
    return this.routing.findAll(span, this.routing.patience()).then((all) => all.map(addressOf));
  }

  correct(head: RangeHead, elsewhere: Elsewhere): Maybe<void> {
    const { routing } = this;
    if (routing.table.correctHead(head, elsewhere)) return undefined;
    return routing
      .patience()
      .again(false)
      .then(() => undefined);
  }

  private async planLater(standing: Standing, writes: readonly Write[]): Promise<CommitPlan> {
    const { routing } = this;
    const patience = routing.patience();
    const findStands = async (): Promise<void> => {
      for (const stand of standing.all()) {
        for (const span of stand.spans) await routing.findAll(span, patience);
      }
    };
    await findStands();
    for (;;) {
      const plan = planOf(routing.table, standing, writes);
      if (plan !== undefined) return plan;
      for (const { key } of writes) await routing.find(key, patience);
      await findStands();
    }
  }
}

function keyOf({ standing, writes }: CommitRequest): Uint8Array {
  const key = writes[0]?.key ?? standing?.first?.start;
  if (key === undefined) throw new Error('a commit of nothing');
  return key;
}

/** Whether all that the transaction has to do with is in this range. */
function isWithin(route: Route, standing: Standing | undefined, writes: readonly Write[]): boolean {
  if (standing?.first !== undefined) {
    if (standing.more !== undefined || !route.coversHull(standing.first)) return false;
  }
  for (let i = 0; i < writes.length; i++) {
    if (!route.holds((writes[i] as Write).key)) return false;
  }
  return true;
}

function sure(
  perhaps: CommitAnswer | undefined,
  standing: Standing | undefined,
  answer: CommitAnswer,
): CommitAnswer {
  if (perhaps === undefined || answer.kind === 'committed') return answer;
  const hadSession = standing?.first !== undefined;
  const isOver = answer.kind === 'sessionGone' || answer.kind === 'wounded';
  return hadSession && isOver ? answer : perhaps;
}

function headOf({ range, generation }: Route): RangeHead {
  return { range, generation };
}

function addressOf(route: Route): RangeAddress {
  const { twoPhase } = route.endpoint as RangeEndpoint;
  return { head: headOf(route), span: route.span, endpoint: twoPhase };
}

/** What a commit has to do with a range. */
interface Drafted {
  readonly sessions: Set<LockSession>;
  readonly writes: Write[];
}

/** Undefined: some of its ranges are not known. */
function planOf(
  table: RouteTable,
  standing: Standing,
  writes: readonly Write[],
): CommitPlan | undefined {
  if (standing.lost !== undefined) throw serializationFailure(standing.lost);
  const parts = new Map<Route, Drafted>();
  const partOf = (route: Route): Drafted => {
    let part = parts.get(route);
    if (part === undefined) {
      part = { sessions: new Set(), writes: [] };
      parts.set(route, part);
    }
    return part;
  };
  for (const stand of standing.all()) {
    for (const span of stand.spans) {
      const routes = table.findAll(span);
      if (routes === undefined) return undefined;
      for (const route of routes) partOf(route).sessions.add(stand.session);
    }
  }
  let route: Route | undefined;
  for (const write of writes) {
    if (route?.holds(write.key) !== true) route = table.find(write.key);
    if (route === undefined) return undefined;
    partOf(route).writes.push(write);
  }
  const all = [...parts].map(([at, { sessions, writes: own }]): CommitPart => {
    if (own.length > 0)
      standing.visit({ head: headOf(at), endpoint: at.endpoint as RangeEndpoint });
    return { ...addressOf(at), sessions: [...sessions], writes: own };
  });
  return { parts: all.sort((a, b) => compareBytes(a.span.start, b.span.start)) };
}
