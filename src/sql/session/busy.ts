// Statements that meet a table in the hands of another session's schema change wait for it and are planned again.

import { isPromise, type Maybe } from '../../base/maybe.ts';
import { SchemaBusyError } from '../catalog/errors.ts';

/** `run` must have had no effect when it fails with SchemaBusyError. */
export function whenSchemaFree<T>(run: () => Maybe<T>): Maybe<T> {
  const again = (error: unknown): Promise<T> => {
    if (!(error instanceof SchemaBusyError)) throw error;
    return error.whenFree().then(() => whenSchemaFree(run));
  };
  try {
    const result = run();
    return isPromise(result) ? result.catch(again) : result;
  } catch (error) {
    return again(error);
  }
}
