/** Whatever carries messages: one text each, without line ends, whole and in order. */
export interface MessageTransport {
  /** Called once, before anything is sent. `closed` is called once, with the reason in a sentence. */
  start(handlers: TransportHandlers): void;
  send(text: string): void;
  /** Resolves when the other side is gone, or has been given up. */
  close(): Promise<void>;
}

export interface TransportHandlers {
  message(text: string): void;
  closed(reason: string): void;
}
