import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mayReach, outermost, type Reach, reachOfAddress, reachOfHost } from '../../functions/http/address-policy.ts';

const senders: Reach[] = ['public', 'private', 'loopback'];

describe('an address', () => {
  it.each<[Reach | undefined, string[]]>([
    ['loopback', ['127.0.0.1', '127.255.255.254', '::1', '::', '0.0.0.0', '0.255.255.255', '64:ff9b::127.0.0.1']],
    [
      'private',
      ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '100.127.255.255', '169.254.1.1'],
    ],
    ['private', ['fc00::1', 'fdff::1', 'fe80::1', 'fe80::1%eth0', 'febf::1', 'fec0::1', '100::1', '2001:2::1']],
    [
      'private',
      ['64:ff9b::10.0.0.1', '64:ff9b::a00:1', '192.0.2.1', '192.88.99.1', '2001:db8::1', '3fff::1', '5f00::1'],
    ],
    ['private', ['192.0.0.1', '198.18.0.1', '198.19.255.255', '198.51.100.1', '203.0.113.1', '169.254.42.41']],
    [undefined, ['169.254.169.254', '169.254.170.2', '169.254.170.23', 'fd00:ec2::254', 'fd00:ec2::23']],
    [undefined, ['169.254.42.42', '169.254.0.23', '100.100.100.200', '192.0.0.192', 'fd00:42::42', 'fd20:ce::254']],
    [undefined, ['fe80::a9fe:a9fe', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:10.0.0.1', '::ffff:7f00:1']],
    [undefined, ['::ffff:0:8.8.8.8', '::ffff:0:7f00:1', '64:ff9b:1::1', '64:ff9b:1:ffff::8.8.8.8', '240.0.0.1']],
    [undefined, ['::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '64:ff9b::169.254.169.254', '168.63.129.16']],
    [
      undefined,
      ['224.0.0.1', '239.255.255.255', '255.255.255.255', 'ff02::1', '2002:7f00:1::', '::10.0.0.1', '2001::1'],
    ],
    ['public', ['8.8.8.8', '172.15.255.255', '172.32.0.1', '100.63.255.255', '100.128.0.1', '169.253.0.1']],
    ['public', ['2606:4700::1', '2a00:1450::1', '64:ff9b::8.8.8.8', '64:ff9b:2::1', '2001:3::1', '2001:db9::1']],
    ['public', ['1.0.0.0', '9.255.255.255', '11.0.0.0', '126.255.255.255', '128.0.0.0', '223.255.255.255']],
    ['public', ['192.0.1.0', '192.0.3.0', '198.17.255.255', '198.20.0.0', '198.51.101.0', '203.0.112.255']],
  ])('is %s: %j', (reach, addresses) => {
    expect(addresses.map((address) => [address, reachOfAddress(address)])).toEqual(
      addresses.map((address) => [address, reach]),
    );
  });

  it.each(['', 'localhost', '10.0.0', '10.0.0.1:80', '[::1]'])('is not %p', (text) => {
    expect(() => reachOfAddress(text)).toThrow(TypeError);
  });

  it('is judged alike where NAT64 carries it, and nowhere where it hides as IPv6', () => {
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

describe('who sends us', () => {
  it('may send us outwards and sideways, never inwards', () => {
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

  it('never sends us to a metadata service', () => {
    for (const sender of senders) {
      for (const address of ['169.254.169.254', 'fd00:ec2::254', '169.254.170.2', '::ffff:127.0.0.1', 'fd00:42::42']) {
        expect([address, mayReach(address, sender)]).toEqual([address, false]);
      }
    }
  });

  it('may, when public, send us to public addresses alone', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (ip) => {
        expect(mayReach(ip, 'public')).toBe(reachOfAddress(ip) === 'public');
      }),
    );
  });

  it('is public as soon as one of its addresses is', () => {
    expect(reachOfHost(['10.0.0.1', '8.8.8.8', '127.0.0.1'])).toBe('public');
    expect(reachOfHost(['127.0.0.1', '10.0.0.1'])).toBe('private');
    expect(reachOfHost(['127.0.0.1', '::1'])).toBe('loopback');
  });

  it('is public when it is at no address, or at a forbidden one', () => {
    expect([reachOfHost([]), reachOfHost(['169.254.169.254']), outermost([])]).toEqual(['public', 'public', 'public']);
  });
});
