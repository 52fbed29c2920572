/** The schema, as the list of steps that made it. A step that was released is never changed: a new one is appended. The number of
 *  steps that a database has seen is its `user_version`. */
import { SallyportError } from "@sallyport/supervisor";
import type { Database } from "./database.ts";

/** Columns hold what is searched, sorted or joined; `body` holds the whole as JSON.
 *
 *  - `key` numbers rows in the order in which they came, which is the order of turns, items, messages and exec runs.
 *  - `threads.writer` names the writer lock of the server that holds the thread; see writer-lock.ts.
 *  - `items.is_open`, `turns.status` and `hook_runs.status` find what a dead server left, through indexes of nothing else.
 *  - `hook_runs.turn_key` is null for runs that wait for the turn that follows.
 *  - `events.item_id` is set for deltas only.
 *  - `transcripts` has the lines that are being added to the JSON-lines mirror; see transcript.ts. */
const initial = `
CREATE TABLE threads (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  recency_at_ms INTEGER NOT NULL,
  archived_at_ms INTEGER,
  model_provider TEXT NOT NULL,
  source TEXT NOT NULL,
  cwd TEXT NOT NULL,
  title TEXT NOT NULL,
  has_turns INTEGER NOT NULL DEFAULT 0,
  writer TEXT,
  last_seq INTEGER NOT NULL DEFAULT 0,
  pruned_seq INTEGER NOT NULL DEFAULT 0,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX threads_by_creation ON threads (created_at_ms, id);
CREATE INDEX threads_by_update ON threads (updated_at_ms, id);
CREATE INDEX threads_by_recency ON threads (recency_at_ms, id);

CREATE TABLE turns (
  key INTEGER PRIMARY KEY,
  thread_key INTEGER NOT NULL REFERENCES threads (key) ON DELETE CASCADE,
  id TEXT NOT NULL,
  status TEXT NOT NULL,
  first_seq INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (thread_key, id)
) STRICT;
CREATE INDEX turns_in_order ON turns (thread_key, key);
CREATE INDEX turns_open ON turns (thread_key) WHERE status = 'inProgress';

CREATE TABLE items (
  key INTEGER PRIMARY KEY,
  thread_key INTEGER NOT NULL REFERENCES threads (key) ON DELETE CASCADE,
  turn_key INTEGER NOT NULL REFERENCES turns (key) ON DELETE CASCADE,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  is_open INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (turn_key, id)
) STRICT;
CREATE INDEX items_of_thread ON items (thread_key, key);
CREATE INDEX items_of_turn ON items (turn_key, key);
CREATE INDEX items_open ON items (thread_key) WHERE is_open = 1;

CREATE TABLE hook_runs (
  key INTEGER PRIMARY KEY,
  thread_key INTEGER NOT NULL REFERENCES threads (key) ON DELETE CASCADE,
  turn_key INTEGER REFERENCES turns (key) ON DELETE CASCADE,
  id TEXT NOT NULL,
  started_at_ms INTEGER NOT NULL,
  status TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (thread_key, id)
) STRICT;
CREATE INDEX hook_runs_of_turn ON hook_runs (turn_key, started_at_ms, key);
CREATE INDEX hook_runs_waiting ON hook_runs (thread_key) WHERE turn_key IS NULL;
CREATE INDEX hook_runs_open ON hook_runs (thread_key) WHERE status = 'running';

CREATE TABLE exec_runs (
  key INTEGER PRIMARY KEY,
  thread_key INTEGER NOT NULL REFERENCES threads (key) ON DELETE CASCADE,
  turn_key INTEGER NOT NULL REFERENCES turns (key) ON DELETE CASCADE,
  item_id TEXT NOT NULL,
  id TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (thread_key, id)
) STRICT;
CREATE INDEX exec_runs_of_turn ON exec_runs (turn_key, key);

CREATE TABLE messages (
  key INTEGER PRIMARY KEY,
  thread_key INTEGER NOT NULL REFERENCES threads (key) ON DELETE CASCADE,
  turn_key INTEGER NOT NULL REFERENCES turns (key) ON DELETE CASCADE,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX messages_in_order ON messages (thread_key, key);
CREATE INDEX messages_of_turn ON messages (turn_key, key);

CREATE TABLE events (
  thread_key INTEGER NOT NULL REFERENCES threads (key) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  item_id TEXT,
  body TEXT NOT NULL,
  PRIMARY KEY (thread_key, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX deltas_of_item ON events (thread_key, item_id, seq) WHERE item_id IS NOT NULL;

CREATE TABLE transcripts (
  thread_key INTEGER PRIMARY KEY REFERENCES threads (key) ON DELETE CASCADE,
  start INTEGER NOT NULL,
  lines TEXT NOT NULL
) STRICT;
`;

/** `messages.replaced_by` is the turn whose compaction took the message out of the model's input: a revert to before that turn
 *  brings it back. `turns.exec_runs` counts the turn's exec runs, so that they can be bounded without counting rows. */
const replacedMessagesAndCounts = `
ALTER TABLE turns ADD COLUMN exec_runs INTEGER NOT NULL DEFAULT 0;
UPDATE turns SET exec_runs = (SELECT count(*) FROM exec_runs WHERE exec_runs.turn_key = turns.key);
ALTER TABLE messages ADD COLUMN replaced_by INTEGER;
CREATE INDEX messages_replaced ON messages (thread_key, replaced_by) WHERE replaced_by IS NOT NULL;
`;

/** `approvals.waiting_item` is the id of an item; `is_waiting` finds, through an index of nothing else, the turns that a dead server
 *  left and that are not interrupted. */
const approvals = `
CREATE TABLE approvals (
  key INTEGER PRIMARY KEY,
  thread_key INTEGER NOT NULL REFERENCES threads (key) ON DELETE CASCADE,
  turn_key INTEGER NOT NULL REFERENCES turns (key) ON DELETE CASCADE,
  id TEXT NOT NULL,
  waiting_item TEXT,
  is_waiting INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (thread_key, id)
) STRICT;
CREATE INDEX approvals_in_order ON approvals (thread_key, key);
CREATE INDEX approvals_of_turn ON approvals (turn_key);
CREATE INDEX approvals_waiting ON approvals (thread_key, turn_key) WHERE is_waiting = 1;
`;

export const migrations: readonly string[] = [initial, replacedMessagesAndCounts, approvals];

/** Brings the database to the newest schema, in one transaction. Throws `STORE_TOO_NEW` for one that a later version has made, which
 *  may mean what we do not understand. */
export function migrate(database: Database, steps: readonly string[] = migrations): void {
  if (schemaVersion(database) === steps.length) return;
  database.write(() => {
    // Another process may have migrated while this one waited.
    const version = schemaVersion(database);
    if (version > steps.length) throw tooNew(database.path, version, steps.length);
    for (const step of steps.slice(version)) database.script(step);
    database.script(`PRAGMA user_version = ${steps.length}`);
  });
}

function schemaVersion(database: Database): number {
  return database.get("PRAGMA user_version")?.user_version ?? 0;
}

function tooNew(path: string, version: number, known: number): SallyportError {
  return new SallyportError(
    "STORE_TOO_NEW",
    `Store "${path}" has schema ${version}, expected at most ${known}; use the newer Sallyport that made it, or set SALLYPORT_HOME to another folder`,
    { data: { path, version, known } },
  );
}
