/** What the dispatcher counts, for `/v1/status` and the metrics. */
export interface DispatchCounts {
  published: number;
  republished: number;
  puback: number;
  noSubscriber: number;
  refused: number;
  lost: number;
  ackTimeouts: number;
  leaseMissed: number;
}

export const newDispatchCounts = (): DispatchCounts => ({
  published: 0,
  republished: 0,
  puback: 0,
  noSubscriber: 0,
  refused: 0,
  lost: 0,
  ackTimeouts: 0,
  leaseMissed: 0,
});
