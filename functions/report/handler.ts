import { announcements } from '../lambda/announcements.ts';
import { handle } from '../lambda/handle.ts';
import { report } from './report.ts';

export const handler = handle(report, announcements);
