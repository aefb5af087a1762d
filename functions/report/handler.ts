import { handle } from '../lambda/handle.ts';
import { report } from './report.ts';

export const handler = handle(report, async () =>
  (await import('../lambda/announcements.ts')).announcements(process.env),
);
