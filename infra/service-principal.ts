import { ServicePrincipal, type ServicePrincipalOpts } from 'aws-cdk-lib/aws-iam';
import { principalSuffix } from '../functions/oci/registry/aws-partitions.ts';

/** The principal of an AWS service, such as `lambda`. */
export function servicePrincipal(service: string, options?: ServicePrincipalOpts): ServicePrincipal {
  return new ServicePrincipal(`${service}.${principalSuffix}`, options);
}
