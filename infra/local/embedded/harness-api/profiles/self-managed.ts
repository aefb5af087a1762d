import type { Images } from '../state.ts';
import type { Profile } from './profile.ts';
import { saas2026 } from './saas-2026.ts';

/**
 * Harness self-managed platform (harness/helm-charts). Its images are `harnesssecure/NAME` in one flat namespace, and
 * IDP is not part of it. The fields of CI and IACM are assumed to be those of SaaS: ci-manager takes its defaults from
 * the environment there. The missing endpoints stand for those of older installations.
 */
export const selfManaged: Profile = {
  defaults: {
    ci: { K8: flat(saas2026.defaults.ci.K8), VM: flat(saas2026.defaults.ci.VM) },
    iacm: { K8: flat(saas2026.defaults.iacm.K8) },
    idp: {},
  },
  quirks: {
    absentPaths: ['/gateway/authz/', '/gateway/ci/execution-config/get-deprecated-config'],
    overlaySkipsSupplyChain: true,
    versionsMustParse: true,
  },
};

/** The images with the namespace of the self-managed platform, without those of IDP. */
function flat(images: Images = {}): Images {
  const idp = Object.keys(saas2026.defaults.idp.K8 ?? {});
  return Object.fromEntries(
    Object.entries(images)
      .filter(([field]) => !idp.includes(field))
      .map(([field, image]) => [field, image.replace(/^(?:harness|plugins)\//, 'harnesssecure/')]),
  );
}
