// Channels to nodes for unary calls. What streams has connections of its own: client-call.ts.

import { Client, logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { MESSAGE_BYTES_MAX } from './messages.ts';
import { nodeCredentials, requireReachable, SERVER_NAME, type TlsMaterial } from './tls.ts';

// What goes wrong is told to whoever asked for it; grpc-js would print it as well.
setLogVerbosity(logVerbosity.NONE);

/** DbError when the address may not be spoken to without TLS. */
export function openChannel(address: string, tls: TlsMaterial | undefined): Client {
  requireReachable(address, tls);
  return new Client(address, nodeCredentials(tls), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    ...(tls === undefined ? {} : { 'grpc.ssl_target_name_override': SERVER_NAME }),
  });
}
