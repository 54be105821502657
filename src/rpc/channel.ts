// Channels to nodes. Each has a connection of its own, so that one's bulk data doesn't delay another's frames.

import { type ChannelOptions, Client } from '@grpc/grpc-js';
import { nodeCredentials, requireReachable, SERVER_NAME, type TlsMaterial } from './tls.ts';

/** Of one gRPC message, either way. More is divided, or refused. */
export const MESSAGE_BYTES_MAX: number = 8 * 1024 * 1024;

/** A peer that answers no ping within the sum of both is taken for gone. What follows from that is Raft's to decide. */
export const KEEPALIVE: ChannelOptions = {
  'grpc.keepalive_time_ms': 5000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.keepalive_permit_without_calls': 1,
};

/** How much a sender may be ahead of us, on each stream. */
const WINDOW_BYTES = 1024 * 1024;

/** DbError when the address may not be spoken to without TLS. */
export function openChannel(address: string, tls: TlsMaterial | undefined): Client {
  requireReachable(address, tls);
  return new Client(address, nodeCredentials(tls), {
    ...KEEPALIVE,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    'grpc-node.flow_control_window': WINDOW_BYTES,
    ...(tls === undefined ? {} : { 'grpc.ssl_target_name_override': SERVER_NAME }),
  });
}
