/** Bytes that a bundle may have, minified: Lambda reads all of it at every start. */
const byTask: Readonly<Record<string, number>> = { webhook: 380_000 };

export const budgets = { byTask, of: (task: string): number => byTask[task] ?? 1_200_000 };
