import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

export interface TcpPeer {
  /** `host:port` */
  host: string;
  /** Connections that were accepted. */
  connections: number;
  close(): Promise<void>;
}

/** A server on loopback that treats each connection as `behaviour` says, in no protocol of its own. */
export async function startTcpPeer(behaviour: (socket: Socket) => void): Promise<TcpPeer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    peer.connections++;
    sockets.add(socket.on('error', () => undefined).on('close', () => sockets.delete(socket)));
    behaviour(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const peer: TcpPeer = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: 0,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return peer;
}
