import { lt } from 'semver';
import { displayProxy, proxyFor } from '../http/proxy.ts';
import { secureContextOf } from '../http/certificates.ts';
import { unusableExtraCertificates } from '../http/extra-certificates.ts';
import { failed, type Finding, ok } from './check.ts';

/** The oldest Node.js that the installed command runs on. */
const neededNode = '22.13.0';

export function checkNode(version = process.versions.node): Finding {
  if (lt(version, neededNode))
    return failed(`${version} is too old`, `Install Node.js ${neededNode} or later; 24 is recommended.`);
  return ok(`${version} (${process.execPath})`);
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Checks the proxies to some addresses, each with a name for people. */
export function checkProxy(addresses: ReadonlyMap<string, URL>, environment: Environment): Finding {
  const ways = [...addresses].map(([name, url]) => {
    const proxy = proxyFor(url, environment);
    return { name, way: proxy ? `through ${displayProxy(proxy)}` : 'direct' };
  });
  const groups = [...Map.groupBy(ways, ({ way }) => way)];
  if (groups.length === 1 && groups[0]?.[0] === 'direct') return ok('no proxy: every connection is direct');
  return ok(groups.map(([way, members]) => `${members.map(({ name }) => name).join(', ')}: ${way}`).join('; '));
}

/** Checks the files of CAs and client certificates. */
export function checkCertificates(
  hosts: readonly string[],
  registryCerts: string | undefined,
  environment: Environment,
): Finding {
  const unusable = unusableExtraCertificates(environment);
  if (unusable !== undefined) return failed('the file in NODE_EXTRA_CA_CERTS is not used', unusable);
  const extra = environment['NODE_EXTRA_CA_CERTS'];
  const own =
    registryCerts === undefined ? [] : hosts.filter((host) => secureContextOf(registryCerts, host) !== undefined);
  return ok(
    [
      extra ? `the CAs of Node.js, and NODE_EXTRA_CA_CERTS (${extra})` : 'the CAs of Node.js',
      ...(registryCerts === undefined
        ? []
        : [`REGISTRY_CERTS (${registryCerts}) has files for ${own.join(', ') || 'none of the hosts'}`]),
    ].join('; '),
  );
}
