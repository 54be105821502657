/** An invariant that must hold was broken: the node stops rather than go on wrong. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Where every row comes by, a message with values in it is made in vain each time: throw an AssertionError there. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** For the default of an exhaustive switch: it compiles only while no case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
