/**
 * `@acktor/shared/client`: what an application imports. Every other path of this package may change.
 *
 *   enqueue, fence    a message in your own transaction
 *   createClient      messages by HTTP, and handles to wait on
 *   createLink        the robust MQTT client only
 */
export { createLink } from "../link/create-link.ts";
export type {
  CommandResult,
  ConnectionState,
  ErrorType,
  IncomingMessage,
  Link,
  LinkEvents,
  LinkFailure,
  LinkInfo,
  OutgoingPublish,
  PublishOutcome,
  Subscription,
} from "../link/link.ts";
export type { LinkOptions } from "../link/link-options.ts";
export { EnqueueError, enqueue, fence, type PgClient, type PostgresJs } from "./enqueue.ts";
export type { CallFailure } from "./http-calls.ts";
export type { OutgoingMessage } from "./message.ts";
export {
  type AckOutcome,
  type Client,
  type ClientOptions,
  createClient,
  type MessageHandle,
  type MessageStatus,
  type SendOptions,
  type SendResult,
  type StatusResult,
} from "./send.ts";
