import { BlockList, isIP } from 'node:net';

/**
 * How far a server is from us. One that sends us elsewhere (redirect, upload location, token service) may send us as far
 * out as it likes, and no deeper in than it is itself: else a registry on the Internet could use us to reach what only we
 * can (CWE-918).
 */
export type Reach = 'public' | 'private' | 'loopback';

/** From the outside in. */
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

/** What is not globally reachable (IANA's special-purpose address registries, RFC 6890). */
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
 * Where no registry lives, whoever says so: the services that give a machine its cloud credentials, multicast, and
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

/** IPv4-mapped addresses. In a list of their own, for `BlockList` takes every IPv4 address for one of them. */
const mapped = blockList([], [['::ffff:0:0', 96]]);

/** Whose the address is, an IPv4 or IPv6 literal; `undefined` when nobody may send us there. */
export function reachOfAddress(address: string): Reach | undefined {
  // Without the zone of a link-local address (`fe80::1%eth0`), which BlockList takes for no address at all.
  const [literal = ''] = address.split('%');
  const version = isIP(literal);
  if (version === 0) throw new TypeError(`${address} is not an IP address`);
  const family = version === 6 ? 'ipv6' : 'ipv4';
  if (version === 6 && mapped.check(literal, family)) return undefined;
  if (loopback.check(literal, family)) return 'loopback';
  if (forbidden.check(literal, family)) return undefined;
  return restricted.check(literal, family) ? 'private' : 'public';
}

/** Whether somebody who is as far away as `sender` may send us to the address. */
export function mayReach(address: string, sender: Reach): boolean {
  const reach = reachOfAddress(address);
  return reach !== undefined && reaches.indexOf(reach) <= reaches.indexOf(sender);
}

/** How far away a name with these addresses is: one public address makes it public, whatever else it claims. */
export function reachOfHost(addresses: readonly string[]): Reach {
  return outermost(addresses.map((address) => reachOfAddress(address) ?? 'public'));
}

export function outermost(some: readonly Reach[]): Reach {
  return reaches.find((reach) => some.includes(reach)) ?? 'public';
}

/** Lists addresses, and those that NAT64 carries (RFC 6052). */
function blockList(ipv4: readonly Subnet[], ipv6: readonly Subnet[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of ipv4) {
    list.addSubnet(network, prefix, 'ipv4');
    list.addSubnet(`64:ff9b::${network}`, 96 + prefix, 'ipv6');
  }
  for (const [network, prefix] of ipv6) list.addSubnet(network, prefix, 'ipv6');
  return list;
}
