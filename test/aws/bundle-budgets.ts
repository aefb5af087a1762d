/** The maximum size of a minified bundle in bytes. Lambda reads the whole bundle at each cold start. */
const byTask: Readonly<Record<string, number>> = {
  'ecr-token': 1_200_000,
  overdue: 900_000,
  webhook: 800_000,
  // They open images in bundles, too.
  copy: 1_650_000,
  plan: 1_650_000,
  verify: 1_650_000,
};

export const budgets = { byTask, of: (task: string): number => byTask[task] ?? 1_600_000 };
