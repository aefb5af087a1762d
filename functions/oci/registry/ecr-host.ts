import { ecrHosts } from './aws-partitions.ts';

/** The parts of a private ECR registry's host name. */
export interface EcrHost {
  accountId: string;
  region: string;
  fips: boolean;
  dualStack: boolean;
}

/** Parses the host of a private ECR registry. Returns `undefined` for other hosts. */
export function parseEcrHost(host: string): EcrHost | undefined {
  for (const form of ecrHosts) {
    const { accountId, region, fips, dualStack } = form.exec(host.toLowerCase())?.groups ?? {};
    if (accountId && region) return { accountId, region, fips: fips !== undefined, dualStack: dualStack !== undefined };
  }
  return undefined;
}

/** Returns whether a registry, by its host, is ECR Public. */
export function isEcrPublic(registry: string): boolean {
  return registry === 'public.ecr.aws';
}
