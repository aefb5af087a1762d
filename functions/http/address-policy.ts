import { BlockList, isIP } from 'node:net';

/**
 * The network that a server is in. A server may refer us (redirect, upload location, token realm) to addresses that are
 * as public as its own or more public. Otherwise a registry on the Internet could reach private services through us
 * (CWE-918).
 */
export type Reach = 'public' | 'private' | 'loopback';

/** Ordered from the most public to the most private. */
const reaches: readonly Reach[] = ['public', 'private', 'loopback'];

type Subnet = readonly [network: string, prefix: number];

/** 0.0.0.0 and :: connect to this machine on Linux. */
const loopback = blockList(
  [
    ['0.0.0.0', 8],
    ['127.0.0.0', 8],
  ],
  [['::', 127]],
);

/** Addresses that are not globally reachable (IANA's special-purpose address registries, RFC 6890). */
const restricted = blockList(
  [
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['169.254.0.0', 16],
    ['172.16.0.0', 12],
    ['192.0.0.0', 24],
    ['192.0.2.0', 24],
    ['192.88.99.0', 24],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
    ['198.51.100.0', 24],
    ['203.0.113.0', 24],
  ],
  [
    ['100::', 64],
    ['2001:2::', 48],
    ['2001:db8::', 32],
    ['3fff::', 20],
    ['5f00::', 16],
    ['fc00::', 7],
    ['fe80::', 10],
    ['fec0::', 10],
  ],
);

/**
 * Addresses that are never a registry: the services that give a machine its cloud credentials, multicast, and
 * notations that hide an IPv4 address (IPv4-compatible, IPv4-mapped, IPv4-translated, local NAT64, Teredo, 6to4).
 */
const forbidden = blockList(
  [
    ['169.254.169.254', 32],
    // Credentials of ECS tasks and EKS pods.
    ['169.254.170.2', 32],
    ['169.254.170.23', 32],
    // Alibaba, Azure, Oracle, Scaleway, Tencent.
    ['100.100.100.200', 32],
    ['168.63.129.16', 32],
    ['192.0.0.192', 32],
    ['169.254.42.42', 32],
    ['169.254.0.23', 32],
    ['224.0.0.0', 4],
    ['240.0.0.0', 4],
  ],
  [
    ['fd00:ec2::254', 128],
    ['fd00:ec2::23', 128],
    ['fd20:ce::254', 128],
    ['fd00:42::42', 128],
    // OpenStack.
    ['fe80::a9fe:a9fe', 128],
    ['::', 96],
    ['::ffff:0:0:0', 96],
    ['64:ff9b:1::', 48],
    ['2001::', 32],
    ['2002::', 16],
    ['ff00::', 8],
  ],
);

/** IPv4-mapped addresses. A separate list, because `BlockList` matches every IPv4 address against them. */
const mapped = blockList([], [['::ffff:0:0', 96]]);

/** Classifies an IPv4 or IPv6 literal. Returns `undefined` for an address that is never a registry. */
export function reachOfAddress(address: string): Reach | undefined {
  // BlockList does not accept the zone of a link-local address (`fe80::1%eth0`).
  const [literal = ''] = address.split('%');
  const version = isIP(literal);
  if (version === 0) throw new TypeError(`${address} is not an IP address`);
  const family = version === 6 ? 'ipv6' : 'ipv4';
  if (version === 6 && mapped.check(literal, family)) return undefined;
  if (loopback.check(literal, family)) return 'loopback';
  if (forbidden.check(literal, family)) return undefined;
  return restricted.check(literal, family) ? 'private' : 'public';
}

/** Tests whether a server in the network `sender` may refer us to the address. */
export function mayReach(address: string, sender: Reach): boolean {
  const reach = reachOfAddress(address);
  return reach !== undefined && reaches.indexOf(reach) <= reaches.indexOf(sender);
}

/** Classifies a name by its addresses. One public address makes the name public. */
export function reachOfHost(addresses: readonly string[]): Reach {
  return outermost(addresses.map((address) => reachOfAddress(address) ?? 'public'));
}

export function outermost(some: readonly Reach[]): Reach {
  return reaches.find((reach) => some.includes(reach)) ?? 'public';
}

/** Lists addresses and their NAT64 forms (RFC 6052). */
function blockList(ipv4: readonly Subnet[], ipv6: readonly Subnet[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of ipv4) {
    list.addSubnet(network, prefix, 'ipv4');
    list.addSubnet(`64:ff9b::${network}`, 96 + prefix, 'ipv6');
  }
  for (const [network, prefix] of ipv6) list.addSubnet(network, prefix, 'ipv6');
  return list;
}
