// The entry of execution: a data statement of the syntax tree, planned and compiled once.

import { unsupported } from '../../base/errors.ts';
import { whenReady } from '../../base/maybe.ts';
import type { ResultField } from '../api.ts';
import type { Statement } from '../parse/ast.ts';
import { explainPlan } from '../plan/explain.ts';
import type { Plan } from '../plan/nodes.ts';
import { planStatement } from '../plan/plan.ts';
import { Execution, SlotSet } from './execution.ts';
import { compileInsert } from './insert.ts';
import { compileDelete, compileUpdate } from './modify.ts';
import { compileJoinedWrite } from './modify-joined.ts';
import type { CompiledPlan, PlanEnvironment } from './plan-api.ts';
import { compileSelect, type Run } from './select.ts';
import { compileQuery } from './compile-query.ts';
import { compileSubplans } from './subplans.ts';

/** Throws DbError for whatever is wrong with the statement; its positions are UTF-16 offsets plus one. */
export function compileStatement(ast: Statement, environment: PlanEnvironment): CompiledPlan {
  switch (ast.kind) {
    case 'select':
    case 'insert':
    case 'update':
    case 'delete':
      return compilePlan(planStatement(ast, environment));
    default:
      throw unsupported(`planning of ${ast.kind}`);
  }
}

export function compilePlan(plan: Plan): CompiledPlan {
  const slots = new SlotSet(plan.parameterTypes, plan.slots);
  const run = runOf(plan, slots);
  return {
    parameterTypes: plan.parameterTypes,
    fields: fieldsOf(plan),
    command: plan.command,
    readOnly: plan.readOnly,
    tables: plan.tables,
    literalDependent: plan.literalDependent,
    execute: run,
    explain: () => explainPlan(plan, (node) => slots.indexOnly.has(node)),
  };
}

function runOf(plan: Plan, slots: SlotSet): Run {
  slots.shared = plan.shared.map((query) => compileQuery(query, slots));
  const run = compileRun(plan, slots);
  const queries = compileSubplans(plan.subplans, slots);
  slots.demandClaimed();
  if (plan.subplans.length === 0) return run;
  return (context, params, sink, maxRows) => {
    const execution = new Execution(context, params, slots);
    return whenReady(queries.begin(execution), () => run(context, execution.params, sink, maxRows));
  };
}

function compileRun({ statement }: Plan, slots: SlotSet): Run {
  switch (statement.kind) {
    case 'select':
      return compileSelect(statement, slots);
    case 'insert':
      return compileInsert(statement, slots);
    case 'update':
      return compileUpdate(statement, slots);
    case 'delete':
      return compileDelete(statement, slots);
    case 'joinedWrite':
      return compileJoinedWrite(statement, slots);
  }
}

function fieldsOf({ statement }: Plan): readonly ResultField[] | undefined {
  return statement.kind === 'select' ? statement.fields : statement.returning?.fields;
}
