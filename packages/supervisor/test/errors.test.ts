import assert from "node:assert/strict";
import { test } from "node:test";
import { SallyportError, isSallyportError } from "../src/index.ts";

test("an error is known by its mark, also one of another copy of the package", () => {
  const cause = new Error("why");
  const error = new SallyportError("CODE", "what", { data: { value: 1 }, cause });
  assert.deepEqual([error.code, error.data, error.cause, error.message], ["CODE", { value: 1 }, cause, "what"]);
  assert.equal(isSallyportError(error), true);
  const elsewhere = Object.defineProperty(new Error("other"), Symbol.for("sallyport.error"), { value: true });
  assert.equal(isSallyportError(elsewhere), true);
  for (const other of [cause, null, undefined, "CODE", { code: "CODE" }]) assert.equal(isSallyportError(other), false);
});
