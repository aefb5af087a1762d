import type { Problem } from '../functions/errors.ts';
import {
  type Configuration,
  type Environment,
  isGiven,
  isOn,
  readConfiguration,
  type Readers,
  readVariables,
  refuse,
  variable,
} from '../functions/settings/configuration.ts';
import { parseCron, parseTimeZone } from './cron.ts';

/** Settings that only a deployment has. */
interface OwnSettings {
  /** The six fields of EventBridge's cron, or `off`. */
  schedule: string;
  scheduleTimeZone: string;
  webhook: boolean;
}

/** Settings of `cdk deploy`: those of the functions, and its own. */
export type DeploymentSettings = Configuration & OwnSettings;

const readers: Readers<OwnSettings> = {
  schedule: variable(
    'SCHEDULE',
    'off, or six fields as EventBridge has them: minutes hours day-of-month month day-of-week year, such as "0 2 * * ? *"',
    (text) => (text === 'off' ? text : parseCron(text)),
    '0 2 * * ? *',
  ),
  scheduleTimeZone: variable(
    'SCHEDULE_TIME_ZONE',
    'the name of a time zone, such as Europe/Berlin',
    parseTimeZone,
    'UTC',
  ),
  webhook: variable('WEBHOOK', 'on or off', isOn, false),
};

/** Reads the settings from environment variables. Throws `InvalidConfiguration` with every problem at once. */
export function parseDeploymentSettings(environment: Environment): DeploymentSettings {
  const problems: Problem[] = [];
  const configuration = readConfiguration(environment, problems);
  const own = readVariables(readers, environment, problems);
  for (const name of ['WEBHOOK_TOKEN_SECRET', 'WEBHOOK_ALLOW'])
    if (isGiven(environment, name) && !isGiven(environment, 'WEBHOOK'))
      problems.push({ path: 'WEBHOOK', found: 'nothing', allowed: `on or off, with ${name}` });
  refuse(problems);
  return { ...configuration, ...own };
}
