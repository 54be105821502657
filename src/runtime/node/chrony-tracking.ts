// chronyd's tracking report, as its command protocol (version 6) carries it: one datagram asks, one answers, all numbers
// big-endian. The request is as long as the answer, so that nobody can use chronyd to amplify traffic.

const VERSION = 6;
const REQUEST = 1;
const REPLY = 2;
const TRACKING_REQUEST = 33;
const TRACKING_REPLY = 5;
const SUCCESS = 0;

/** header 28, reference 4, address 20, stratum 2, leap 2, reference time 12, nine numbers of 4 */
export const TRACKING_BYTES = 104;

const LEAP_NOT_SYNCHRONISED = 3;
const LEAPS = [0, 1, 2, LEAP_NOT_SYNCHRONISED];

export interface Tracking {
  readonly isSynchronised: boolean;
  /** How far chronyd takes the machine's clock to be off: it is still being slewed away. */
  readonly offsetSeconds: number;
  readonly rootDelaySeconds: number;
  readonly rootDispersionSeconds: number;
}

export function encodeTrackingRequest(sequence: number): Uint8Array {
  const bytes = new Uint8Array(TRACKING_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, REQUEST);
  view.setUint16(4, TRACKING_REQUEST);
  view.setUint32(8, sequence);
  return bytes;
}

/** Throws when it is no answer to this request. */
export function decodeTrackingReply(bytes: Uint8Array, sequence: number): Tracking {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 28 || view.getUint8(1) !== REPLY || view.getUint16(4) !== TRACKING_REQUEST) {
    throw new Error(`its answer (${bytes.length} bytes) is none of chronyd's`);
  }
  if (view.getUint8(0) !== VERSION) {
    throw new Error(
      `it speaks version ${view.getUint8(0)} of the command protocol, not ${VERSION}`,
    );
  }
  if (view.getUint32(16) !== sequence) throw new Error('it answered another request');
  const status = view.getUint16(8);
  if (status !== SUCCESS) throw new Error(`it refused to answer (status ${status})`);
  if (view.getUint16(6) !== TRACKING_REPLY || bytes.length < TRACKING_BYTES) {
    throw new Error(`its answer (${bytes.length} bytes) is no tracking report`);
  }
  const leap = view.getUint16(54);
  if (!LEAPS.includes(leap)) throw new Error(`its leap status is ${leap}`);
  const isUnset = view.getUint32(28) === 0 || view.getUint16(52) === 0;
  return {
    isSynchronised: leap !== LEAP_NOT_SYNCHRONISED && !isUnset,
    offsetSeconds: decodeFloat(view.getUint32(68)),
    rootDelaySeconds: decodeFloat(view.getUint32(92)),
    rootDispersionSeconds: decodeFloat(view.getUint32(96)),
  };
}

/** 7 bits of exponent, 25 of coefficient, both two's complement: coefficient * 2^(exponent - 25). */
function decodeFloat(bits: number): number {
  const exponent = (bits | 0) >> 25;
  const coefficient = (bits << 7) >> 7;
  return coefficient * 2 ** (exponent - 25);
}
