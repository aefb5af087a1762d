import { EventBus } from '../aws/event-bus.ts';
import { NotificationTopic } from '../aws/notification-topic.ts';
import { deployedVariable } from './deployed-variable.ts';
import { log } from './log.ts';
import { writeMetrics } from './metrics.ts';
import type { RuntimeParts } from '../runtime/runtime.ts';
import { outcomeDetailType, outcomeSource } from '../state/outcome-event.ts';
import type { Environment } from '../settings/configuration.ts';
import { nextRun } from '../settings/next-run.ts';

/** Announces the result of a run on Lambda: to people by a topic, to machines by an event, to CloudWatch by the log. */
export function announcements(
  environment: Environment,
): Pick<RuntimeParts, 'events' | 'nextRun' | 'notify' | 'record' | 'release'> {
  const topicArn = environment['NOTIFICATION_TOPIC_ARN'];
  const topic = topicArn ? new NotificationTopic(topicArn) : undefined;
  const bus = new EventBus();
  return {
    release: environment['RELEASE'],
    nextRun: scheduleOf(environment),
    events: {
      factory: deployedVariable(environment, 'POWERTOOLS_SERVICE_NAME'),
      put: (detail) => bus.put({ source: outcomeSource, detailType: outcomeDetailType, detail }),
    },
    notify: topic && ((notification) => topic.publish(notification)),
    record(report, failed) {
      log.reported(report);
      writeMetrics(report, failed);
    },
  };
}

/** The construct sets both variables, or none for a deployment without a schedule. */
function scheduleOf({ SCHEDULE, SCHEDULE_TIME_ZONE }: Environment): RuntimeParts['nextRun'] {
  return SCHEDULE && SCHEDULE_TIME_ZONE ? (after) => nextRun(SCHEDULE, SCHEDULE_TIME_ZONE, after) : undefined;
}
