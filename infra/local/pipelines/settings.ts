import { FactoryError, type Problem } from '../../../functions/errors.ts';
import type { InfrastructureType } from '../../../functions/harness/scope.ts';
import { formatLocation, type RegistryLocation } from '../../../functions/oci/spec/reference.ts';
import {
  type Configuration,
  configurationVariables,
  type Environment,
  isGiven,
  parseConfiguration,
} from '../../../functions/settings/configuration.ts';
import { parseExecutionInput } from '../../../functions/settings/execution-input.ts';
import type { RunSettings } from '../../../functions/settings/run-settings.ts';
import { sourceLocation } from '../../../functions/settings/official-sources.ts';
import { countProblems, render } from '../../../functions/settings/problems.ts';
import { beyondTrust } from '../../../functions/settings/webhook-guards.ts';
import { isTemplateReference, parseTemplateReference, type TemplateReference } from './template-reference.ts';

/** The options of `factory pipelines` that decide about what it renders. */
export interface PipelineOptions {
  via: 'webhook' | 'delegate';
  /** The address of the webhook. */
  url?: string;
  /** Five fields of cron, in UTC. */
  schedule?: string;
  /** Selectors of the delegates that execute the steps, with commas between them. */
  delegates?: string;
  /** A Harness secret that exists already, in place of one that is created. */
  secret?: string;
  imageConnector?: boolean;
  /** The state folder of runs on a delegate. */
  state?: string;
}

/** Everything that the pipelines are made of. */
export interface PipelineSettings {
  via: 'webhook' | 'delegate';
  /** The webhook. Empty for `delegate`. */
  url: string;
  scope: { orgIdentifier: string; projectIdentifier: string };
  /** The defaults of the runtime inputs. */
  defaults: { registry: string; infrastructureType: InfrastructureType; includeWindowsRootless: boolean };
  /** The other keys of the execution input, which every run of the pipelines gets. */
  input: Readonly<Record<string, unknown>>;
  schedule: string | undefined;
  delegateSelectors: readonly string[];
  /** The secret with the token or the API key, as steps name it. */
  secret: string;
  /** Set when the secret is created along with the pipelines. */
  createsSecret: boolean;
  /** The text secret with the password for the image connector; `undefined` when it is not asked for. */
  imageConnector: { passwordRef: string | undefined } | undefined;
  /** Options and variables of the command on a delegate. */
  command: { state: string | undefined; environment: Readonly<Record<string, string>> };
  templates: { gatherScan?: TemplateReference; buildPush?: TemplateReference };
  /** The place of official images that a template builds from. */
  source: RegistryLocation;
  maxConcurrency: number;
}

/** The keys that the pipelines set themselves. */
const ownKeys = new Set(['registry', 'infrastructure_type', 'include_windows_rootless', 'action']);

/** Variables that runs on a delegate do not get: secrets, and those of a deployment or of the pipelines themselves. */
const keptHere = /^(?:HARNESS_API_KEY|WEBHOOK_|CALLBACK_|ECR_TOKEN_SECRET$|ALLOW_PRUNE$)/;

/** The variables that may name a template of Harness here. */
const templateVariables = { gatherScan: 'GATHER_SCAN_TEMPLATE', buildPush: 'BUILD_PUSH_TEMPLATE' } as const;

/** The secrets that the factory creates: the token of the webhook, and the API key of runs on a delegate. */
export const ownSecrets = { webhook: 'image_factory_token', delegate: 'image_factory_key' };

/**
 * Reads the settings of the pipelines from the options, the execution input of their runs and the environment.
 *
 * @throws {FactoryError} `InvalidConfiguration` or `InvalidInput` with every problem at once.
 */
export function pipelineSettings(
  options: PipelineOptions,
  input: Readonly<Record<string, unknown>>,
  environment: Environment,
): PipelineSettings {
  const templates = templatesOf(environment);
  const configuration = configurationOf(environment);
  const run = runSettings(input, configuration);
  const problems = [
    ...scopeProblems(configuration),
    ...optionProblems(options),
    ...inputProblems(run, templates),
    ...(options.via === 'webhook' ? beyondTrust(run, configuration) : []),
  ];
  if (problems.length > 0)
    throw new FactoryError('InvalidConfiguration', `the pipelines have ${countProblems(problems)}`, {
      hint: 'Correct the options, the input ($) and the variables; "factory pipelines --help" lists the options.',
      problems,
    });
  const { orgId = '', projectId = '', maxConcurrency, sources } = configuration;
  return {
    via: options.via,
    url: options.url ?? '',
    scope: { orgIdentifier: orgId, projectIdentifier: projectId },
    defaults: {
      registry: formatLocation(run.registry),
      infrastructureType: run.infrastructureTypes[0] ?? 'K8',
      includeWindowsRootless: run.includeWindowsRootless,
    },
    input: Object.fromEntries(Object.entries(run.input).filter(([key]) => !ownKeys.has(key))),
    schedule: options.schedule,
    delegateSelectors: (options.delegates ?? '').split(',').flatMap((selector) => selector.trim() || []),
    secret: options.secret ?? ownSecrets[options.via],
    createsSecret: options.secret === undefined,
    imageConnector: options.imageConnector ? { passwordRef: passwordOf(configuration) } : undefined,
    command: { state: options.state, environment: commandEnvironment(environment) },
    templates,
    source: sourceLocation(sources[0] ?? 'gar'),
    maxConcurrency,
  };
}

/** Returns the templates of Harness that the environment names. ARNs stay with the deployment. */
function templatesOf(environment: Environment): PipelineSettings['templates'] {
  const found = Object.entries(templateVariables).flatMap(([name, variable]) => {
    const text = environment[variable]?.trim() ?? '';
    return isTemplateReference(text) ? [[name, parseTemplateReference(text)] as const] : [];
  });
  return Object.fromEntries(found);
}

/** Reads the configuration without the templates of Harness, and without an API key where rendering needs none. */
function configurationOf(environment: Environment): Configuration {
  const known = { ...environment };
  for (const variable of Object.values(templateVariables))
    if (isTemplateReference(known[variable]?.trim() ?? '')) delete known[variable];
  const hasKey = isGiven(known, 'HARNESS_API_KEY') || isGiven(known, 'HARNESS_API_KEY_SECRET');
  return parseConfiguration(hasKey ? known : { ...known, HARNESS_API_KEY: 'unknown' });
}

function runSettings(input: Readonly<Record<string, unknown>>, configuration: Configuration): RunSettings {
  const { ecrTokenSecret: _, ...rest } = configuration;
  return parseExecutionInput({ ...input, action: 'sync' }, { ...rest, ecrTokenSecret: undefined });
}

function scopeProblems({ orgId, projectId }: Configuration): Problem[] {
  const needed = [
    { path: 'ORG_ID', value: orgId, allowed: 'the identifier of the organization of the pipelines' },
    { path: 'PROJECT_ID', value: projectId, allowed: 'the identifier of the project of the pipelines' },
  ];
  return needed.flatMap(({ path, value, allowed }) =>
    value === undefined ? [{ path, found: 'nothing', allowed }] : [],
  );
}

function optionProblems({ via, url, schedule, secret, state }: PipelineOptions): Problem[] {
  const problems: Problem[] = [];
  const address = url === undefined ? undefined : URL.parse(url);
  const allowed = 'the address of the webhook, https://…/runs: the output WebhookUrl of the stack';
  if (via === 'webhook') {
    if (url === undefined) problems.push({ path: '--url', found: 'nothing', allowed });
    else if (
      address?.protocol !== 'https:' ||
      !address.pathname.endsWith('/runs') ||
      address.search ||
      address.username
    )
      problems.push({ path: '--url', found: render(url), allowed });
    if (state !== undefined)
      problems.push({ path: '--state', found: render(state), allowed: 'nothing with --via webhook' });
  } else if (url !== undefined)
    problems.push({ path: '--url', found: render(url), allowed: 'nothing with --via delegate' });
  if (schedule !== undefined && schedule.trim().split(/\s+/).length !== 5)
    problems.push({
      path: '--schedule',
      found: render(schedule),
      allowed: 'the five fields of cron, in UTC, such as "0 2 * * *"',
    });
  if (secret !== undefined && !/^(?:account\.|org\.)?[A-Za-z_][A-Za-z0-9_$-]{0,127}$/.test(secret))
    problems.push({
      path: '--secret',
      found: '(not shown)',
      allowed: 'the identifier of a Harness secret: x, org.x or account.x',
    });
  return problems;
}

function inputProblems(run: RunSettings, templates: PipelineSettings['templates']): Problem[] {
  const problems: Problem[] = [];
  if (run.infrastructureTypes.length > 1)
    problems.push({
      path: '$.infrastructure_type',
      found: render(run.input['infrastructure_type']),
      allowed: 'K8 or VM: a runtime input has one value. Start the pipeline once for each',
    });
  const hasTemplate = templates.gatherScan !== undefined || templates.buildPush !== undefined;
  const refused: readonly (readonly [key: string, isSet: boolean, reason: string])[] = [
    ['soak_days', hasTemplate && run.soakDays > 0, 'judges other versions than the templates'],
    [
      'source_registry',
      templates.buildPush !== undefined && 'source_registry' in run.input,
      'is the registry of the builds',
    ],
    ['modify_default', templates.buildPush !== undefined && !run.modifyDefault, 'would leave built images unused'],
    ['referrers', templates.buildPush !== undefined && run.referrers !== 'off', 'refers to the official image'],
  ];
  for (const [key, isSet, reason] of refused)
    if (isSet)
      problems.push({
        path: key in run.input ? `$.${key}` : 'MODIFY_DEFAULT',
        found: render(run.input[key] ?? false),
        allowed: `nothing with a template of Harness: it ${reason}`,
      });
  return problems;
}

/** Returns the secret with the registry's password: that of ECR, which the factory refreshes. */
function passwordOf({ ecrTokenSecret }: Configuration): string | undefined {
  return ecrTokenSecret?.startsWith('arn:') ? undefined : ecrTokenSecret;
}

/** Returns the variables that a run on a delegate needs: those that are set here, without secrets. */
function commandEnvironment(environment: Environment): Record<string, string> {
  const names = configurationVariables.filter(
    (name) =>
      !keptHere.test(name) &&
      isGiven(environment, name) &&
      !(name.endsWith('_TEMPLATE') && isTemplateReference(environment[name]?.trim() ?? '')),
  );
  return Object.fromEntries(names.map((name) => [name, environment[name]?.trim() ?? '']));
}

/** Returns the error for an option that the command cannot combine. */
export function invalidOption(path: string, found: string, allowed: string): FactoryError {
  return new FactoryError('InvalidInput', `the options of pipelines have 1 problem`, {
    hint: '"factory pipelines --help" lists the options.',
    problems: [{ path, found, allowed }],
  });
}
