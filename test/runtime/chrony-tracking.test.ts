import { describe, expect, it } from 'vitest';
import {
  decodeTrackingReply,
  encodeTrackingRequest,
} from '../../src/runtime/node/chrony-tracking.ts';
import { vouchedBy } from '../../src/runtime/node/chronyd.ts';
import { NOT_SYNCHRONISED, RECORDED, SEQUENCE, trackingReply } from './fixtures/tracking.ts';

it('asks for the tracking report in as many bytes as it takes', () => {
  const head = '0601' + '0000' + '0021' + '0000' + '01020304';
  expect(Buffer.from(encodeTrackingRequest(SEQUENCE)).toString('hex')).toBe(
    head + '00'.repeat(104 - 12),
  );
});

describe("chronyd's answer", () => {
  it('is what chronyc makes of it', () => {
    const tracking = decodeTrackingReply(RECORDED.reply, RECORDED.sequence);
    expect(tracking.isSynchronised).toBe(true);
    expect({
      offset: tracking.offsetSeconds.toFixed(9),
      delay: tracking.rootDelaySeconds.toFixed(9),
      dispersion: tracking.rootDispersionSeconds.toFixed(9),
    }).toEqual(RECORDED.chronyc);
  });

  it('bounds the clock by its offset, the dispersion and half of the delay', () => {
    const tracking = decodeTrackingReply(RECORDED.reply, RECORDED.sequence);
    const vouched = vouchedBy(tracking, 1000);
    expect(vouched.boundMicros).toBeCloseTo(1.037 + 1.145 + 5.159 / 2, 2);
    expect(vouched).toMatchObject({ atMicros: 1000, drift: 200e-6, voidAfterMicros: Infinity });
  });

  it('tells that it is not synchronised', () => {
    expect(decodeTrackingReply(NOT_SYNCHRONISED, SEQUENCE).isSynchronised).toBe(false);
  });

  it.each([
    ['the leap status says so', { leap: 3 }],
    ['there is no stratum', { stratum: 0 }],
    ['there is no reference', { reference: 0 }],
  ])('is not of a synchronised clock when %s', (_why, fields) => {
    expect(decodeTrackingReply(trackingReply(fields), SEQUENCE).isSynchronised).toBe(false);
  });

  it.each([0, 1, 2])('is of a synchronised clock also before a leap second (%s)', (leap) => {
    expect(decodeTrackingReply(trackingReply({ leap }), SEQUENCE).isSynchronised).toBe(true);
  });

  it.each([0, 1, -1, 0.5, -0.000_001_5, 1e-12, -3e-20, 1e9])('may have the number %s', (number) => {
    const { offsetSeconds } = decodeTrackingReply(trackingReply({ offset: number }), SEQUENCE);
    expect(Math.abs(offsetSeconds - number)).toBeLessThanOrEqual(Math.abs(number) * 2 ** -24);
  });

  it.each([
    ['cut short', trackingReply({}).subarray(0, 103), 'no tracking report'],
    ['empty', new Uint8Array(0), "none of chronyd's"],
    ['of another version', trackingReply({ version: 7 }), 'version 7'],
    ['a request', trackingReply({ type: 1 }), "none of chronyd's"],
    ['to another command', trackingReply({ command: 14 }), "none of chronyd's"],
    ['to another request', trackingReply({ sequence: SEQUENCE + 1 }), 'another request'],
    ['a refusal', trackingReply({ status: 2 }), 'refused to answer (status 2)'],
    ['another report', trackingReply({ reply: 6 }), 'no tracking report'],
    ['of an unknown leap status', trackingReply({ leap: 4 }), 'leap status is 4'],
  ])('is not taken when it is %s', (_what, bytes, message) => {
    expect(() => decodeTrackingReply(bytes, SEQUENCE)).toThrow(message);
  });
});
