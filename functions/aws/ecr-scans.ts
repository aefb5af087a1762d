import {
  DescribeImageScanFindingsCommand,
  type EnhancedImageScanFinding,
  GetRegistryScanningConfigurationCommand,
  type GetRegistryScanningConfigurationResponse,
  ImageArchivedException,
  ImageNotFoundException,
  type ImageScanFinding,
  type RegistryScanningConfiguration,
  type ScanStatus,
  ScanNotFoundException,
  StartImageScanCommand,
  UnsupportedImageTypeException,
} from '@aws-sdk/client-ecr';
import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/spec/digest.ts';
import type { Finding, ImageScans, LookOptions, ScanAnswer } from '../oci/registry/image-scans.ts';
import { RegistryFailure } from '../oci/registry/registry-failure.ts';
import { isLike } from '../text/wildcard.ts';
import { EcrClients, type EcrConfig, ecrFailure, type EcrRegistry } from './ecr.ts';
import { serverFaultOf } from './server-fault.ts';
import { own } from '../text/own.ts';

/** Against a service that never stops offering another page; each has up to 1,000 findings. */
const maxPages = 100;

/** Returns the scans of private ECR registries. `config` is for tests; on AWS the function's role counts. */
export function ecrScans(config: EcrConfig = {}): (host: string) => ImageScans | undefined {
  const clients = new EcrClients({ maxAttempts: 5, ...config });
  return (host) => {
    const registry = clients.at(host);
    return registry && new RegistryScans(registry);
  };
}

/**
 * The meanings of the states
 * (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-troubleshooting.html).
 */
const unscannable: Partial<Record<ScanStatus, string>> = {
  FAILED: 'the scan failed',
  UNSUPPORTED_IMAGE: 'the scanner does not support its operating system or type of image',
  SCAN_ELIGIBILITY_EXPIRED: 'Inspector no longer rescans it; lengthen the ECR re-scan duration, or push it again',
  LIMIT_EXCEEDED: 'a limit of the scanner was exceeded',
  IMAGE_ARCHIVED: 'it is archived; restore it',
};

class RegistryScans implements ImageScans {
  readonly #registry: EcrRegistry;

  constructor(registry: EcrRegistry) {
    this.#registry = registry;
  }

  async look(repository: string, digest: Digest, { renew = false, signal }: LookOptions = {}): Promise<ScanAnswer> {
    const scan = await this.#describe(repository, digest, signal);
    if (!scan) return this.#begin(repository, digest, signal);
    const answer = answerOf(scan);
    return renew && isOutdated(scan) ? this.#start(repository, digest, () => answer, signal) : answer;
  }

  /** `undefined` when there is no scan. */
  async #describe(repository: string, digest: Digest, signal?: AbortSignal): Promise<Scan | undefined> {
    const scan: Scan = {
      status: undefined,
      description: '',
      completedAt: undefined,
      findings: [],
      enhancedFindings: [],
    };
    let nextToken: string | undefined;
    for (let page = 0; page < maxPages; page++) {
      const command = new DescribeImageScanFindingsCommand({
        ...this.#image(repository, digest),
        ...(nextToken !== undefined && { nextToken }),
        maxResults: 1_000,
      });
      try {
        const answer = await this.#registry.client.send(command, signal && { abortSignal: signal });
        const { findings = [], enhancedFindings = [], imageScanCompletedAt } = answer.imageScanFindings ?? {};
        scan.status = answer.imageScanStatus?.status;
        scan.description = answer.imageScanStatus?.description ?? '';
        scan.completedAt ??= imageScanCompletedAt;
        scan.findings.push(...findings);
        scan.enhancedFindings.push(...enhancedFindings);
        nextToken = answer.nextToken;
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof ScanNotFoundException) return undefined;
        const permissions =
          'ecr:DescribeImageScanFindings, for enhanced scanning inspector2:ListFindings and inspector2:ListCoverage too,';
        throw this.#failure(`read the scan of ${digest} in ${repository}`, permissions, error);
      }
      if (nextToken === undefined || !hasEnded(scan)) return scan;
    }
    throw new Error(`the findings of ${digest} in ${repository} have more than ${maxPages} pages`);
  }

  /** Nothing has scanned the image yet: basic scans can be asked for, enhanced ones begin by themselves, or never. */
  async #begin(repository: string, digest: Digest, signal?: AbortSignal): Promise<ScanAnswer> {
    const { registryId, scanningConfiguration } = await this.#configuration(signal);
    const foreign = registryId !== undefined && registryId !== this.#registry.accountId;
    if (!foreign && scanningConfiguration?.scanType === 'ENHANCED') {
      if (covers(scanningConfiguration, repository))
        return { state: 'pending', detail: 'not scanned by Inspector yet' };
      const detail = `no rule of enhanced scanning scans ${repository} automatically; add one to the registry's scanning configuration`;
      return { state: 'unscannable', id: 'SCAN_NOT_CONFIGURED', detail };
    }
    // https://github.com/aws/containers-roadmap/issues/2541
    const blind = foreign
      ? `, or by Inspector, whose findings only roles of account ${this.#registry.accountId} can read: set ECR_ROLE_ARN`
      : '';
    const unstarted = (code: string): ScanAnswer => {
      return { state: 'pending', detail: `not scanned yet (ecr:StartImageScan returned ${code})${blind}` };
    };
    return this.#start(repository, digest, unstarted, signal);
  }

  /** Asks for a basic scan. `otherwise` tells what counts when ECR gives none, by the code of its refusal. */
  async #start(
    repository: string,
    digest: Digest,
    otherwise: (code: string) => ScanAnswer,
    signal?: AbortSignal,
  ): Promise<ScanAnswer> {
    try {
      const command = new StartImageScanCommand(this.#image(repository, digest));
      await this.#registry.client.send(command, signal && { abortSignal: signal });
      return { state: 'pending', detail: 'PENDING' };
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof UnsupportedImageTypeException) return answerWithout('UNSUPPORTED_IMAGE', error.message);
      if (error instanceof ImageArchivedException) return answerWithout('IMAGE_ARCHIVED', error.message);
      const refusal = refusals.find((code) => isNamed(error, code));
      if (refusal !== undefined) return otherwise(refusal);
      throw this.#failure(`start the scan of ${digest} in ${repository}`, 'ecr:StartImageScan', error);
    }
  }

  /** The scan settings of the caller's registry, which may be another one. Empty without permission to read them. */
  async #configuration(signal?: AbortSignal): Promise<Partial<GetRegistryScanningConfigurationResponse>> {
    try {
      const command = new GetRegistryScanningConfigurationCommand({});
      return await this.#registry.client.send(command, signal && { abortSignal: signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (isNamed(error, 'AccessDeniedException')) return {};
      throw this.#failure('read its scanning configuration', 'ecr:GetRegistryScanningConfiguration', error);
    }
  }

  #image(repository: string, digest: Digest) {
    return { registryId: this.#registry.accountId, repositoryName: repository, imageId: { imageDigest: digest } };
  }

  #failure(action: string, permission: string, error: unknown): FactoryError {
    if (error instanceof ImageNotFoundException)
      return new FactoryError('ImageNotFound', `cannot ${action} at ${this.#registry.host}: ${error.message}`, {
        hint: 'Check the lifecycle rules of the repository, which may have deleted it, and run again.',
        cause: error,
      });
    const failure = ecrFailure(`${action} at ${this.#registry.host}`, permission, error);
    const status = serverFaultOf(error);
    if (status === undefined) return failure;
    const hint = 'Try again later: ECR does not work as specified.';
    return new RegistryFailure(failure.name, failure.message, { hint, status, transient: true, cause: error });
  }
}

/** StartImageScan gives an image one scan in 24 hours, its push's included; where scanning is enhanced, none. */
const refusals = ['LimitExceededException', 'ValidationException', 'AccessDeniedException'] as const;

/** As DescribeImageScanFindings tells of it, over all pages. */
interface Scan {
  status: ScanStatus | undefined;
  description: string;
  completedAt: Date | undefined;
  findings: ImageScanFinding[];
  enhancedFindings: EnhancedImageScanFinding[];
}

const minuteMs = 60_000;
/** After this, a basic scan has told all that it found. */
const settledMs = 5 * minuteMs;
/** Findings come in some seconds after the state (https://github.com/aws/aws-sdk/issues/289). */
const findingsMs = 15_000;
/** A state without findings and without a time is what such a scan begins with, and perhaps how a clean one ends. */
const emptyMs = 10 * minuteMs;
const dayMs = 24 * 60 * minuteMs;

function hasEnded({ status }: Scan): boolean {
  return status === 'COMPLETE' || status === 'ACTIVE';
}

function answerOf(scan: Scan): ScanAnswer {
  const { status, description, completedAt } = scan;
  // Of an image whose scans have ended in another way there may be old findings, which prove nothing.
  if (!hasEnded(scan)) return answerWithout(status, description);
  const empty = !completedAt && scan.findings.length === 0 && scan.enhancedFindings.length === 0;
  const settled = !isEnhanced(scan) && isOlder(completedAt, settledMs);
  const settlingMs = settled ? 0 : empty ? emptyMs : findingsMs;
  return { state: 'scanned', findings: findingsOf(scan), settlingMs };
}

/**
 * A basic scan is out of date after a day, or failed for a reason that may have passed. Inspector schedules its own scans.
 */
function isOutdated(scan: Scan): boolean {
  if (scan.status === 'FAILED') return true;
  return scan.status === 'COMPLETE' && !isEnhanced(scan) && isOlder(scan.completedAt, dayMs);
}

function isEnhanced({ status, enhancedFindings }: Scan): boolean {
  return status === 'ACTIVE' || enhancedFindings.length > 0;
}

function isOlder(time: Date | undefined, ms: number): boolean {
  return time !== undefined && time.getTime() < Date.now() - ms;
}

/** Describes a state other than success. */
function answerWithout(status: ScanStatus | undefined, description: string): ScanAnswer {
  const meaning = status && own(unscannable, status);
  // PENDING and IN_PROGRESS; findings that are unavailable may still come, and a state of tomorrow is not judged.
  if (status === undefined || meaning === undefined) return { state: 'pending', detail: status ?? 'without a state' };
  return { state: 'unscannable', id: status, detail: description === '' ? meaning : `${meaning}: ${description}` };
}

function findingsOf({ findings, enhancedFindings }: Scan): Finding[] {
  return [
    ...findings.map(({ name, severity }) => ({ id: name ?? 'unnamed', severity: severity ?? 'UNDEFINED' })),
    // What Inspector closed is mended, and what it suppressed the customer has judged already.
    ...enhancedFindings
      .filter(({ status = 'ACTIVE' }) => status === 'ACTIVE')
      .map(({ packageVulnerabilityDetails, findingArn, severity }) => ({
        id: packageVulnerabilityDetails?.vulnerabilityId ?? findingArn ?? 'unnamed',
        severity: severity ?? 'UNTRIAGED',
      })),
  ];
}

/**
 * A filter without `*` finds its text anywhere
 * (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-filters.html).
 */
function covers({ rules = [] }: RegistryScanningConfiguration, repository: string): boolean {
  return rules
    .filter(({ scanFrequency }) => scanFrequency !== 'MANUAL')
    .flatMap(({ repositoryFilters = [] }) => repositoryFilters)
    .some(({ filter = '' }) => (filter.includes('*') ? isLike(repository, filter) : repository.includes(filter)));
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
