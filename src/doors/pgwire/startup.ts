// The first packet of a connection: it has no type, its first number says what it is.

import type { BodyReader } from './framing.ts';

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;

export type StartupPacket =
  /** The client asks whether it may speak TLS or GSS; it goes on with another packet. */
  | { readonly kind: 'encryption' }
  | { readonly kind: 'cancel'; readonly processId: number; readonly secret: number }
  | {
      readonly kind: 'start';
      readonly major: number;
      readonly minor: number;
      readonly parameters: Readonly<Record<string, string>>;
      /** Options of the protocol itself: none is known here. */
      readonly unknown: readonly string[];
    };

export function readStartup(body: BodyReader): StartupPacket {
  const code = body.i32();
  if (code === SSL_REQUEST || code === GSS_REQUEST) return { kind: 'encryption' };
  if (code === CANCEL_REQUEST) {
    const processId = body.i32();
    return { kind: 'cancel', processId, secret: body.i32() >>> 0 };
  }
  const major = code >>> 16;
  const minor = code & 0xffff;
  const parameters: Record<string, string> = Object.create(null) as Record<string, string>;
  const unknown: string[] = [];
  // What another version puts here can't be known.
  if (major !== 3) return { kind: 'start', major, minor, parameters, unknown };
  for (let key = body.text(); key !== ''; key = body.text()) {
    const value = body.text();
    if (key.startsWith('_pq_.')) unknown.push(key);
    else parameters[key] = value;
  }
  return { kind: 'start', major, minor, parameters, unknown };
}
