/** An AWS partition, with its own regions, accounts and host names. */
interface Partition {
  /** The second part of its ARNs. */
  readonly id: string;
  readonly regions: RegExp;
  /** Ends the host names of its services. */
  readonly dnsSuffix: string;
  /** Ends the host names of registries that are reached over IPv6 too; `undefined` where there are none. */
  readonly dualStackSuffix?: string;
}

const standard: Partition = { id: 'aws', regions: /^/, dnsSuffix: 'amazonaws.com', dualStackSuffix: 'on.aws' };

/**
 * The one place that names partitions and their hosts. Regions and suffixes are those of the AWS SDK
 * (`partitions.js` of `@aws-sdk/core`), dual-stack suffixes those of
 * https://docs.aws.amazon.com/general/latest/gr/ecr.html and of the Public Suffix List. A region of an unknown form
 * belongs to the last partition, as in the SDK.
 */
export const partitions: readonly Partition[] = [
  { id: 'aws-us-gov', regions: /^us-gov-/, dnsSuffix: 'amazonaws.com', dualStackSuffix: 'on.aws' },
  { id: 'aws-cn', regions: /^cn-/, dnsSuffix: 'amazonaws.com.cn', dualStackSuffix: 'on.amazonwebservices.com.cn' },
  { id: 'aws-eusc', regions: /^eusc-/, dnsSuffix: 'amazonaws.eu', dualStackSuffix: 'on.amazonwebservices.eu' },
  { id: 'aws-iso', regions: /^us-iso-/, dnsSuffix: 'c2s.ic.gov' },
  { id: 'aws-iso-b', regions: /^us-isob-/, dnsSuffix: 'sc2s.sgov.gov' },
  { id: 'aws-iso-e', regions: /^eu-isoe-/, dnsSuffix: 'cloud.adc-e.uk' },
  { id: 'aws-iso-f', regions: /^us-isof-/, dnsSuffix: 'csp.hci.ic.gov' },
  standard,
];

/**
 * Ends the names of service principals, in every partition (aws-cdk-lib, `ServicePrincipal`). CloudWatch Logs is the
 * exception: its principal is `logs.REGION.` and the DNS suffix of the partition.
 */
export const principalSuffix = 'amazonaws.com';

export function partitionOf(region: string): Partition {
  return partitions.find(({ regions }) => regions.test(region)) ?? standard;
}

const suffixes = partitions.map(({ dnsSuffix }) => dnsSuffix);
const dualStackSuffixes = partitions.flatMap(({ dualStackSuffix }) => dualStackSuffix ?? []);

/** The host names of private ECR registries. Dual-stack ones have a dash. */
export const ecrHosts = [
  new RegExp(`^(?<accountId>\\d{12})\\.dkr\\.ecr(?<fips>-fips)?\\.(?<region>[a-z0-9-]+)\\.${anyOf(suffixes)}$`),
  new RegExp(
    `^(?<accountId>\\d{12})\\.(?<dualStack>dkr-ecr)(?<fips>-fips)?\\.(?<region>[a-z0-9-]+)\\.${anyOf(dualStackSuffixes)}$`,
  ),
] as const;

function anyOf(texts: readonly string[]): string {
  return `(?:${[...new Set(texts)].map((text) => text.replaceAll('.', '\\.')).join('|')})`;
}
