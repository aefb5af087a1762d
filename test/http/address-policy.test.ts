import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mayReach, outermost, type Reach, reachOfAddress, reachOfHost } from '../../functions/http/address-policy.ts';

const senders: Reach[] = ['public', 'private', 'loopback'];

describe('an address', () => {
  /** Each range with its first and last address, and the addresses next to it, which are public. */
  const ranges: [Reach | undefined, first: string, last: string, ...outside: string[]][] = [
    ['loopback', '0.0.0.0', '0.255.255.255', '1.0.0.0'],
    ['loopback', '127.0.0.0', '127.255.255.255', '126.255.255.255', '128.0.0.0'],
    ['private', '10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'],
    ['private', '100.64.0.0', '100.127.255.255', '100.63.255.255', '100.128.0.0'],
    ['private', '169.254.0.0', '169.254.255.255', '169.253.255.255', '169.255.0.0'],
    ['private', '172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
    ['private', '192.0.0.0', '192.0.0.255', '191.255.255.255', '192.0.1.0'],
    ['private', '192.0.2.0', '192.0.2.255', '192.0.1.255', '192.0.3.0'],
    ['private', '192.88.99.0', '192.88.99.255', '192.88.98.255', '192.88.100.0'],
    ['private', '192.168.0.0', '192.168.255.255', '192.167.255.255', '192.169.0.0'],
    ['private', '198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.0'],
    ['private', '198.51.100.0', '198.51.100.255', '198.51.99.255', '198.51.101.0'],
    ['private', '203.0.113.0', '203.0.113.255', '203.0.112.255', '203.0.114.0'],
    [undefined, '224.0.0.0', '239.255.255.255', '223.255.255.255'],
    [undefined, '240.0.0.0', '255.255.255.255'],
    [undefined, '168.63.129.16', '168.63.129.16', '168.63.129.15', '168.63.129.17'],
    ['loopback', '::', '::1'],
    [undefined, '::2', '::255.255.255.255', '::1:0:0'],
    [undefined, '::ffff:0.0.0.0', '::ffff:255.255.255.255', '::fffe:ffff:ffff', '::1:0:0:0'],
    // A public IPv4 address in the upper half of those that are mapped.
    [undefined, '::ffff:8.8.8.8', '::ffff:223.255.255.255'],
    [undefined, '::ffff:0:0:0', '::ffff:0:ffff:ffff', '::fffe:ffff:ffff:ffff', '::ffff:1:0:0'],
    [undefined, '64:ff9b:1::', `64:ff9b:1${all(5)}`, `64:ff9b:0${all(5)}`, '64:ff9b:2::'],
    ['private', '100::', `100:0:0:0${all(4)}`, `ff${all(7)}`, '100:0:0:1::'],
    [undefined, '2001::', `2001:0${all(6)}`, `2000${all(7)}`, '2001:1::'],
    ['private', '2001:2::', `2001:2:0${all(5)}`, `2001:1${all(6)}`, '2001:2:1::'],
    ['private', '2001:db8::', `2001:db8${all(6)}`, `2001:db7${all(6)}`, '2001:db9::'],
    [undefined, '2002::', `2002${all(7)}`, `2001${all(7)}`, '2003::'],
    ['private', '3fff::', `3fff:fff${all(6)}`, `3ffe${all(7)}`, '3fff:1000::'],
    ['private', '5f00::', `5f00${all(7)}`, `5eff${all(7)}`, '5f01::'],
    ['private', 'fc00::', `fdff${all(7)}`, `fbff${all(7)}`, 'fe00::'],
    ['private', 'fe80::', `febf${all(7)}`, `fe7f${all(7)}`],
    ['private', 'fec0::', `feff${all(7)}`],
    [undefined, 'ff00::', `ffff${all(7)}`],
  ];

  /** The last groups of the last address of a range. */
  function all(groups: number): string {
    return ':ffff'.repeat(groups);
  }

  it.each(ranges)('counts as %s from %s to %s, and as public beside that range', (reach, first, last, ...outside) => {
    expect([first, last].map(reachOfAddress)).toEqual([reach, reach]);
    expect(outside.map(reachOfAddress)).toEqual(outside.map(() => 'public'));
    if (!first.includes(':')) {
      const carried = (address: string) => reachOfAddress(`64:ff9b::${address}`);
      expect([first, last].map(carried)).toEqual([reach, reach]);
      expect(outside.map(carried)).toEqual(outside.map(() => 'public'));
    }
  });

  it.each([
    ['169.254.169.254', '169.254.169.253', '169.254.169.255'],
    ['169.254.170.2', '169.254.170.1', '169.254.170.3'],
    ['169.254.170.23', '169.254.170.22', '169.254.170.24'],
    ['169.254.42.42', '169.254.42.41', '169.254.42.43'],
    ['169.254.0.23', '169.254.0.22', '169.254.0.24'],
    ['100.100.100.200', '100.100.100.199', '100.100.100.201'],
    ['192.0.0.192', '192.0.0.191', '192.0.0.193'],
    ['fd00:ec2::254', 'fd00:ec2::253', 'fd00:ec2::255'],
    ['fd00:ec2::23', 'fd00:ec2::22', 'fd00:ec2::24'],
    ['fd20:ce::254', 'fd20:ce::253', 'fd20:ce::255'],
    ['fd00:42::42', 'fd00:42::41', 'fd00:42::43'],
    ['fe80::a9fe:a9fe', 'fe80::a9fe:a9fd', 'fe80::a9fe:a9ff'],
  ])('belongs to nobody if it is the metadata service %s; its neighbours are private', (address, ...beside) => {
    expect(reachOfAddress(address)).toBeUndefined();
    expect(beside.map(reachOfAddress)).toEqual(['private', 'private']);
  });

  it.each<[Reach, string]>([
    ['private', 'fe80::1%eth0'],
    ['public', '2606:4700::1'],
    ['public', '64:ff9b::808:808'],
    ['private', '64:ff9b::a00:1'],
  ])('counts as %s: %s', (reach, address) => {
    expect(reachOfAddress(address)).toBe(reach);
  });

  it.each(['', 'localhost', '10.0.0', '10.0.0.1:80', '[::1]'])('cannot be %p', (text) => {
    expect(() => reachOfAddress(text)).toThrow(new TypeError(`${text} is not an IP address`));
  });

  it('keeps its class in NAT64 form, and belongs to nobody when hidden in IPv6', () => {
    fc.assert(
      fc.property(fc.ipV4(), (ip) => {
        const reach = reachOfAddress(ip);
        for (const prefix of ['::ffff:', '::ffff:0:', '64:ff9b:1::'])
          expect(reachOfAddress(prefix + ip)).toBeUndefined();
        expect(reachOfAddress(`64:ff9b::${ip}`)).toBe(reach);
        // Written in hex, as URLs write it.
        expect(reachOfAddress(new URL(`http://[64:ff9b::${ip}]/`).hostname.slice(1, -1))).toBe(reach);
        expect(reachOfAddress(new URL(`http://[::ffff:${ip}]/`).hostname.slice(1, -1))).toBeUndefined();
      }),
    );
  });
});

describe('a sender', () => {
  it('refers us to addresses as public as its own or more public', () => {
    const addresses: [Reach, string][] = [
      ['public', '8.8.8.8'],
      ['private', '10.0.0.1'],
      ['loopback', '127.0.0.1'],
    ];
    const allowed = senders.map((sender) => [
      sender,
      addresses.filter(([, address]) => mayReach(address, sender)).map(([reach]) => reach),
    ]);
    expect(Object.fromEntries(allowed)).toEqual({
      public: ['public'],
      private: ['public', 'private'],
      loopback: ['public', 'private', 'loopback'],
    });
  });

  it('never refers us to a metadata service', () => {
    for (const sender of senders) {
      for (const address of ['169.254.169.254', 'fd00:ec2::254', '169.254.170.2', '::ffff:127.0.0.1', 'fd00:42::42']) {
        expect([address, mayReach(address, sender)]).toEqual([address, false]);
      }
    }
  });

  it('refers us to public addresses only if it is public', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (ip) => {
        expect(mayReach(ip, 'public')).toBe(reachOfAddress(ip) === 'public');
      }),
    );
  });

  it('counts as public if one of its addresses is public', () => {
    expect(reachOfHost(['10.0.0.1', '8.8.8.8', '127.0.0.1'])).toBe('public');
    expect(reachOfHost(['127.0.0.1', '10.0.0.1'])).toBe('private');
    expect(reachOfHost(['127.0.0.1', '::1'])).toBe('loopback');
  });

  it('counts as public without an address or at a forbidden one', () => {
    expect([reachOfHost([]), reachOfHost(['169.254.169.254']), outermost([])]).toEqual(['public', 'public', 'public']);
  });
});
