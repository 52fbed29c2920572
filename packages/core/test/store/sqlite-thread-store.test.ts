import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openThreadStore } from "../../src/store/sqlite/sqlite-thread-store.ts";
import { runThreadStoreConformance } from "./thread-store-conformance.ts";

runThreadStoreConformance("SQLite in a home", () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-store-"));
  return {
    open: () => openThreadStore(join(folder, "home")),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
});
