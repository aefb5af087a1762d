import { Command, Option } from 'commander';
import type { CommandOptions } from './command.ts';

export interface PipelinesOptions extends CommandOptions {
  input?: string;
  json?: boolean;
}

/** Returns the command `pipelines`. */
export function pipelinesCommand(run: (options: PipelinesOptions) => Promise<void>): Command {
  return new Command('pipelines')
    .description('render the Harness pipelines that run the factory, or register them in ORG_ID and PROJECT_ID')
    .addOption(
      new Option(
        '--via <way>',
        'webhook: steps call the deployment; delegate: a step executes this command on your runner',
      )
        .choices(['webhook', 'delegate'])
        .default('webhook'),
    )
    .option('--url <address>', 'the address of the webhook: the output WebhookUrl of the stack')
    .option('--input <file>', 'the execution input of each run as JSON; - reads standard input')
    .option('--schedule <cron>', 'also a trigger: five fields of cron, in UTC, such as "0 2 * * *"')
    .option('--delegates <selectors>', 'selectors of the delegates that execute the steps, comma-separated')
    .option('--secret <id>', 'a Harness secret that has the token or the API key, in place of one that is created')
    .option('--image-connector', 'also the connector account.harnessImage, with the address of REGISTRY_NAME')
    .option('--state <dir>', 'with --via delegate: the state folder of the runs on your runner')
    .option('--out <dir>', 'render to files in this folder')
    .option('--register', 'create the objects in Harness, or update them')
    .option('--unregister', 'delete the objects that --register created')
    .option('--dry-run', 'show what --register or --unregister would change; changes nothing')
    .option('--adopt', 'also replace objects of these identifiers that the factory did not make')
    .option('--renew-secret', 'write the value of the secret again')
    .option('--yes', 'do not ask before changing Harness')
    .option('--json', 'print one JSON document: the objects, the files or the changes')
    .action(run);
}
