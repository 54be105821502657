// A gateway and the schema's home in one process: messages are calls, and most answers come before the call returns.

import type { NodeId } from '../../runtime/runtime.ts';
import type { SchemaHome } from './schema-home.ts';
import type { HomeLink, HomeLinkEvents } from './schema-links.ts';

export function linkLocally(
  home: SchemaHome,
  node: NodeId,
  incarnation: number,
  gateway: HomeLinkEvents,
): HomeLink {
  let isOpen = true;
  const events = home.attach(node, incarnation, {
    isLocal: true,
    send: (message) => {
      if (isOpen) gateway.message(message);
    },
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      gateway.broken('the schema has no home here any more');
    },
  });
  return {
    isLocal: true,
    send: (message) => {
      if (isOpen) events.message(message);
    },
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      events.broken();
    },
  };
}
