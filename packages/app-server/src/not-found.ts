/** Recognises the store's own word for a thread that is not there. */
import { isSallyportError } from "@sallyport/supervisor";

export function isThreadNotFound(error: unknown): boolean {
  return isSallyportError(error) && error.code === "THREAD_NOT_FOUND";
}
