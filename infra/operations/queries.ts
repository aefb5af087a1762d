import { CfnQueryDefinition, type ILogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

export interface QueriesProps {
  readonly folder: string;
  readonly logGroups: readonly ILogGroup[];
}

/** Saves queries for CloudWatch Logs Insights over the lines that functions/lambda/log.ts writes. */
export class Queries extends Construct {
  constructor(scope: Construct, id: string, { folder, logGroups }: QueriesProps) {
    super(scope, id);
    for (const [name, { title, lines, ofRun }] of Object.entries(queries)) {
      new CfnQueryDefinition(this, name, {
        name: `${folder}/${title}`,
        queryString: lines.join('\n| '),
        logGroupNames: logGroups.map(({ logGroupName }) => logGroupName),
        ...(ofRun && { parameters: [{ name: 'runId', description: 'The name of the execution, as in its report' }] }),
      });
    }
  }
}

interface Query {
  title: string;
  lines: string[];
  /** Has the parameter `{{runId}}`. */
  ofRun?: boolean;
}

const queries: Readonly<Record<string, Query>> = {
  ErrorsOfARun: {
    title: 'errors of a run',
    ofRun: true,
    lines: [
      'fields @timestamp, task, image, error.name, coalesce(error.message, reason, message) as text, error.hint',
      'filter runId = "{{runId}}" and level in ["WARN", "ERROR", "CRITICAL"]',
      'sort @timestamp asc',
      'limit 1000',
    ],
  },
  StoryOfARun: {
    title: 'story of a run',
    ofRun: true,
    lines: [
      'fields @timestamp, task, level, message, image, coalesce(error.message, reason, outcome) as more, durationMs',
      'filter runId = "{{runId}}"',
      'sort @timestamp asc',
      'limit 10000',
    ],
  },
  SlowestCopies: {
    title: 'slowest copies',
    lines: [
      'filter task = "copy" and ispresent(image) and ispresent(durationMs)',
      'stats sum(durationMs) / 1000 as seconds, sum(bytes) / 1048576 as mebibytes, count(*) as calls by runId, image',
      'sort seconds desc',
      'limit 50',
    ],
  },
  Throttles: {
    title: 'throttles',
    lines: [
      'filter ispresent(registry) and throttles > 0',
      'stats sum(throttles) as answers429, sum(retries) as sentAgain by bin(1h), registry',
      'sort answers429 desc',
      'limit 200',
    ],
  },
};
