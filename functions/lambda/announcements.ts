import { NotificationTopic } from '../aws/notification-topic.ts';
import { log } from './log.ts';
import { writeMetrics } from './metrics.ts';
import type { RuntimeParts } from '../runtime/runtime.ts';
import type { Environment } from '../settings/configuration.ts';

/** Announces the result of a run on Lambda: to people by a topic, to CloudWatch by the log. */
export function announcements(environment: Environment): Pick<RuntimeParts, 'notify' | 'record'> {
  const topicArn = environment['NOTIFICATION_TOPIC_ARN'];
  const topic = topicArn ? new NotificationTopic(topicArn) : undefined;
  return {
    notify: topic && ((notification) => topic.publish(notification)),
    record(report, failed) {
      log.reported(report);
      writeMetrics(report, failed);
    },
  };
}
