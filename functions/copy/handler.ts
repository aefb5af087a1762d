import { bundles } from '../lambda/bundles.ts';
import { handle } from '../lambda/handle.ts';
import { templates } from '../lambda/templates.ts';
import { copy } from './copy.ts';

export const handler = handle(copy, (environment) => ({ ...templates(), ...bundles(environment) }));
