/** The routes in the publisher's `/openapi.json`. */
import { HEALTH_DOCS } from "@acktor/shared/runtime/health-docs";
import type { RouteDocs } from "@acktor/shared/runtime/openapi";
import { messageDocs } from "./http/message-docs.ts";
import { PRINCIPAL_DOCS } from "./http/principal-docs.ts";
import { SERVICE_DOCS } from "./http/service-docs.ts";
import { batchItemSchema, messageSchema } from "./intake/validate-message.ts";

export const PUBLISHER_DOCS: RouteDocs = {
  ...HEALTH_DOCS,
  ...messageDocs({ message: messageSchema, batchItem: batchItemSchema }),
  ...SERVICE_DOCS,
  ...PRINCIPAL_DOCS,
};
