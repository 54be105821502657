// Loaded into a node's process before our program: connections to the ports of its peers go to the proxies of the links
// between them (links.ts), as a firewall's rule would send them there. The node knows nothing of it: nodes tell each
// other where they listen, so addresses of proxies in its files would not stay there.

import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';

/** Names a file with an object of ports by ports, as JSON: nodes that join later are added to it. */
const path = process.env['CHAOS_ROUTES'] as string;

function routes(): Record<string, number> {
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, number>;
}

type Connect = (this: Socket, ...args: unknown[]) => Socket;

const prototype = Socket.prototype as unknown as { connect: Connect };
const { connect } = prototype;

prototype.connect = function connectElsewhere(...args: unknown[]): Socket {
  // net.connect hands over the list that it made of its arguments.
  const [first] = args;
  const options = (Array.isArray(first) ? (first as unknown[])[0] : first) as
    | { port?: number | string }
    | undefined;
  const port = options?.port === undefined ? undefined : routes()[String(options.port)];
  if (options !== undefined && port !== undefined) options.port = port;
  return connect.apply(this, args);
};
