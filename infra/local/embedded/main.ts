import { Command, Option } from 'commander';
import { outliveReaders } from '../output.ts';
import { profileNames } from './harness-api/profiles.ts';
import { officialAddresses } from './harness-api/state.ts';
import type { AirGapOptions } from './show-air-gap.ts';
import type { SyncOptions } from './show-sync.ts';

outliveReaders(process.stdout, process.stderr);
const profile = () => new Option('--profile <name>', 'version of Harness').choices(profileNames).default('saas-2026');
const connectors = [...Object.keys(officialAddresses), 'none'];
const program = new Command('npm start --')
  .description('Runs the factory against an embedded Harness API and embedded registries.')
  .enablePositionalOptions()
  .addOption(profile())
  .addOption(
    new Option('--connector <registry>', "registry of the account's image connector (default: the target)").choices(
      connectors,
    ),
  )
  .action(async (options: SyncOptions) => {
    const { showSync } = await import('./show-sync.ts');
    end(await showSync(options));
  });
program
  .command('air-gap')
  .description('exports the images, shuts their sources, and imports them into another network')
  .addOption(profile())
  .action(async (options: AirGapOptions) => {
    const { showAirGap } = await import('./show-air-gap.ts');
    end(await showAirGap(options));
  });
await program.parseAsync();

function end(succeeded: boolean): void {
  process.exitCode = succeeded ? 0 : 1;
}
